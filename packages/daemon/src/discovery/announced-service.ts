import type { DeviceKey } from '../core/model/identifiers.js';
import { type FoundAddress, type FoundDevice, MAX_ADDRESSES_PER_DEVICE } from './discovery.js';
import { isLoopback, type OnLink } from './network-addresses.js';

/** What a service is announced with: DNS-SD type `_landropic._udp`, TXT `id` (device ID) and `v` (of this record). */
export const SERVICE_TYPE = 'landropic';
export const TXT_VERSION = '1';

/** What the network said about a service: none of it can be relied on. */
export interface AnnouncedService {
  readonly port?: unknown;
  readonly txt?: unknown;
  readonly addresses?: unknown;
  /** Where the answer itself came from. */
  readonly referer?: unknown;
}

export interface ServiceReading {
  readonly parseDeviceId: (text: string) => DeviceKey | undefined;
  readonly ownDevice: DeviceKey | undefined;
  readonly onLink: OnLink;
}

/**
 * The device behind a service; undefined when it is this one, speaks another version, or says nothing usable.
 * Only addresses of networks that this machine is on are taken: an announcement must not make it knock anywhere else.
 */
export function readService(service: AnnouncedService, reading: ServiceReading): FoundDevice | undefined {
  const txt = asRecord(service.txt);
  const { port } = service;
  if (txt.v !== TXT_VERSION || typeof txt.id !== 'string') return undefined;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  const deviceId = reading.parseDeviceId(txt.id);
  if (deviceId === undefined || deviceId === reading.ownDevice) return undefined;
  const addresses = usableHosts(service, reading.onLink).map((host): FoundAddress => ({ host, port }));
  return addresses.length === 0 ? undefined : { deviceId, addresses };
}

function usableHosts(service: AnnouncedService, onLink: OnLink): readonly string[] {
  const { address: refererHost } = asRecord(service.referer);
  const referer = typeof refererHost === 'string' ? refererHost : '';
  const announced = Array.isArray(service.addresses) ? service.addresses.slice(0, 64) : [];
  const hosts = [...announced, referer].filter(
    (host): host is string =>
      typeof host === 'string' && onLink.has(host) && (!isLoopback(host) || onLink.isOwn(referer)),
  );
  const unique = [...new Set(hosts)];
  return [
    ...unique.filter((host) => !host.includes(':')),
    ...unique.filter((host) => host.includes(':')),
  ].slice(0, MAX_ADDRESSES_PER_DEVICE);
}

function asRecord(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
