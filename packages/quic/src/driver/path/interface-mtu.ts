import { readFileSync } from 'node:fs';
import { BlockList, isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { MAX_PACKET_BYTES, MIN_PACKET_BYTES } from '../quiche-binding.js';
import { withoutZone, zoneOf } from './address.js';

const ETHERNET_MTU = 1_500;
const LOOPBACK_MTU = 65_536;
/** IP and UDP headers. */
const OVERHEAD_IPV4 = 28;
const OVERHEAD_IPV6 = 48;

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** The largest packet (UDP payload) that the interface towards this address carries, as far as can be told. */
export function findPacketTarget(
  remoteHost: string,
  interfaces: Interfaces,
  readMtu: (name: string) => number | undefined,
): number {
  const overhead = isIPv6(withoutZone(remoteHost)) ? OVERHEAD_IPV6 : OVERHEAD_IPV4;
  const mtu = findMtu(remoteHost, interfaces, readMtu);
  return Math.max(MIN_PACKET_BYTES, Math.min(mtu - overhead, MAX_PACKET_BYTES));
}

function findMtu(
  remoteHost: string,
  interfaces: Interfaces,
  readMtu: (name: string) => number | undefined,
): number {
  const zone = zoneOf(remoteHost);
  if (zone !== undefined) return readMtu(zone) ?? ETHERNET_MTU;
  const found = Object.entries(interfaces).find(([, infos]) =>
    infos?.some((info) => isOnLink(remoteHost, info)),
  );
  if (found !== undefined) {
    const [name, infos] = found;
    return readMtu(name) ?? (infos?.[0]?.internal === true ? LOOPBACK_MTU : ETHERNET_MTU);
  }
  // Beyond a router: no more than Ethernet, and no more than any interface it may leave by.
  const outward = Object.entries(interfaces).filter(([, infos]) => infos?.[0]?.internal === false);
  return Math.min(ETHERNET_MTU, ...outward.map(([name]) => readMtu(name) ?? ETHERNET_MTU));
}

function isOnLink(remoteHost: string, info: NetworkInterfaceInfo): boolean {
  if (info.address === remoteHost) return true;
  const family = isIPv6(remoteHost) ? 'ipv6' : 'ipv4';
  if (info.family.toLowerCase() !== family) return false;
  const prefixLength = Number(info.cidr?.split('/')[1] ?? 0);
  if (prefixLength === 0) return false;
  const subnet = new BlockList();
  subnet.addSubnet(info.address, prefixLength, family);
  return subnet.check(remoteHost, family);
}

/** Linux tells in a file; elsewhere Node has no way to ask. */
export function readInterfaceMtu(name: string): number | undefined {
  if (!/^[\w.@:-]{1,64}$/.test(name)) return undefined;
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8'));
    return Number.isInteger(mtu) && mtu > 0 ? mtu : undefined;
  } catch {
    return undefined;
  }
}
