import { CONNECTION_ID_BYTES } from './connection-id.js';

/**
 * The part of a QUIC packet header that routing needs (RFC 8999: it is the same in every version).
 * Keys are connection IDs as latin1 strings.
 */
export type RoutingHeader =
  | { readonly form: 'short'; readonly destinationKey: string }
  | { readonly form: 'long'; readonly destinationKey: string; readonly version: number }
  | undefined;

const LONG_HEADER_BIT = 0x80;
const MAX_CONNECTION_ID_BYTES = 20;
const VERSION_1 = 1;

/** Undefined for what is no QUIC packet. */
export function parseRoutingHeader(datagram: Buffer): RoutingHeader {
  const first = datagram[0];
  if (first === undefined) return undefined;
  if ((first & LONG_HEADER_BIT) === 0) {
    const destinationKey = shortHeaderKey(datagram);
    return destinationKey === undefined ? undefined : { form: 'short', destinationKey };
  }
  if (datagram.length < 7) return undefined;
  const idBytes = datagram[5] ?? 0;
  if (idBytes > MAX_CONNECTION_ID_BYTES || datagram.length < 6 + idBytes) return undefined;
  return {
    form: 'long',
    destinationKey: datagram.toString('latin1', 6, 6 + idBytes),
    version: datagram.readUInt32BE(1),
  };
}

/** The key of a short header alone, without an object for it: this runs once per packet. */
export function shortHeaderKey(datagram: Buffer): string | undefined {
  return datagram.length > CONNECTION_ID_BYTES
    ? datagram.toString('latin1', 1, 1 + CONNECTION_ID_BYTES)
    : undefined;
}

export function isShortHeader(datagram: Uint8Array): boolean {
  return ((datagram[0] ?? 0xff) & LONG_HEADER_BIT) === 0;
}

/** Whether this long-header packet is an Initial of version 1. */
export function isInitial(datagram: Uint8Array, version: number): boolean {
  return version === VERSION_1 && ((datagram[0] ?? 0) & 0xf0) === 0xc0;
}
