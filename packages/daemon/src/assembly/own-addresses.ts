import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { SocketAddress } from '@landropic/quic';

const MAX_ADDRESSES = 8;

/** Where others on the network can reach an endpoint that listens there: IP literals, those most likely to work first. */
export function reachableAddresses(listening: SocketAddress): readonly SocketAddress[] {
  const { host, port } = listening;
  if (host !== '0.0.0.0' && host !== '::') return [{ host, port }];
  const outside: string[] = [];
  const inside: string[] = [];
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, internal } of addresses ?? []) {
      // A link-local address means something only together with an interface of the other machine.
      if (address.startsWith('fe80:') || (host === '0.0.0.0' && isIPv6(address))) continue;
      (internal ? inside : outside).push(address);
    }
  }
  const ordered = [...outside.filter((a) => !isIPv6(a)), ...outside.filter(isIPv6), ...inside];
  return ordered.slice(0, MAX_ADDRESSES).map((address) => ({ host: address, port }));
}

export function formatAddress({ host, port }: SocketAddress): string {
  return isIPv6(host.split('%')[0] ?? '') ? `[${host}]:${port}` : `${host}:${port}`;
}
