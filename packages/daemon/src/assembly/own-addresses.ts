import { isIPv6 } from 'node:net';
import type { SocketAddress } from '@landropic/quic';
import { reachableAddresses } from '../discovery/network-addresses.js';

const MAX_ADDRESSES = 8;
const ANY_IPV4 = '0.0.0.0';
const ANY_IPV6 = '::';

/** Where others can reach an endpoint that listens there: IP literals, those most likely to work first. */
export function invitableAddresses(listening: SocketAddress): readonly SocketAddress[] {
  const { host, port } = listening;
  if (host !== ANY_IPV4 && host !== ANY_IPV6) return [{ host, port }];
  const outside = reachableAddresses().filter((address) => host === ANY_IPV6 || !isIPv6(address));
  // A machine without a network still pairs with another daemon of its own.
  const addresses = outside.length > 0 ? outside : ['127.0.0.1'];
  return addresses.slice(0, MAX_ADDRESSES).map((address) => ({ host: address, port }));
}

export function formatAddress({ host, port }: SocketAddress): string {
  return isIPv6(host.split('%')[0] ?? '') ? `[${host}]:${port}` : `${host}:${port}`;
}
