import type { SocketAddress } from '../../transport.js';

/** What quiche knows as our own address, always: it refuses zones, and a dialler would ignore answers to another one. */
export const LOCAL_HOST_PORT = { host: '127.0.0.1', port: 1 } as const;

export function addressKey(address: SocketAddress): string {
  return `${address.host}|${address.port}`;
}

/** quiche parses plain IP literals only: `fe80::1%eth0` goes in as `fe80::1`, and the zone stays with us. */
export function withoutZone(host: string): string {
  const percent = host.indexOf('%');
  return percent < 0 ? host : host.slice(0, percent);
}

/** The zone (interface name or index) of a link-local address, if it has one. */
export function zoneOf(host: string): string | undefined {
  const percent = host.indexOf('%');
  return percent < 0 ? undefined : host.slice(percent + 1);
}

export function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.') || host.startsWith('::ffff:127.');
}
