import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { base32Text, base32Value, base32ValuesFromBytes, bytesFromBase32Values } from './base32.js';
import { type DeviceId, deviceIdBytes, deviceIdFromBytes } from './device-id.js';
import { CryptoError } from './errors.js';

/** Where the inviter listens: an IP literal without a zone, and a port 1–65535. */
export interface TicketAddress {
  readonly host: string;
  readonly port: number;
}

/** An invitation to pair: whoever holds it may become a paired device of the inviter, once, until it expires. */
export interface PairingTicket {
  readonly version: 1;
  readonly inviter: DeviceId;
  /** At most {@link maxTicketAddresses}. */
  readonly addresses: readonly TicketAddress[];
  /** 16 random bytes. */
  readonly secret: Uint8Array;
  /** Wall clock of the inviter, ms since 1970: for the accepter to show. What counts is the inviter's own clock. */
  readonly expiresAtMs: number;
}

export const maxTicketAddresses = 8;
export const ticketSecretBytes = 16;
export const ticketIdBytes = 8;

const prefix = 'landropic';
const version = 1;
const deviceIdLength = 32;
const expiryLength = 6;
const headLength = 1 + deviceIdLength + ticketSecretBytes + expiryLength;
const checksumLength = 4;
const maxExpiryMs = 2 ** (8 * expiryLength) - 1;
const maxTextLength = 4096;

/**
 * What mail, chat and terminals add: white space, soft hyphens and invisible marks, quotes of every kind, the `>` of a
 * reply, the `=` of a soft line break, the marks of inline code and of emphasis.
 */
const addedInTransit = /[\s\p{Cf}\p{Pi}\p{Pf}"'`<>=*_]+/gu;

/**
 * One line: `landropic1:` and base32 of
 * `count of addresses: u8 · inviter: 32 · secret: 16 · expiry, ms: u48 · addresses · first 4 bytes of SHA-256 of all that`,
 * an address being `4 or 6: u8 · 4 or 16 bytes · port: u16`, all big-endian. Base32, because it has no character that any
 * medium treats as special, survives a change of case, and fits the compact mode of QR codes.
 * Throws `bad-ticket` for values that no ticket can hold.
 */
export function encodeTicket(ticket: PairingTicket): string {
  if (ticket.secret.length !== ticketSecretBytes) {
    throw new CryptoError('bad-ticket', `the secret of a ticket has ${ticketSecretBytes} bytes`);
  }
  if (ticket.addresses.length > maxTicketAddresses) {
    throw new CryptoError('bad-ticket', `a ticket holds at most ${maxTicketAddresses} addresses`);
  }
  if (!Number.isInteger(ticket.expiresAtMs) || ticket.expiresAtMs < 0 || ticket.expiresAtMs > maxExpiryMs) {
    throw new CryptoError(
      'bad-ticket',
      'the expiry of a ticket is a whole number of milliseconds since 1970',
    );
  }
  const expiry = Buffer.alloc(expiryLength);
  expiry.writeUIntBE(ticket.expiresAtMs, 0, expiryLength);
  const body = Buffer.concat([
    Buffer.from([ticket.addresses.length]),
    deviceIdBytes(ticket.inviter),
    ticket.secret,
    expiry,
    ...ticket.addresses.map(encodeAddress),
  ]);
  return `${prefix}${version}:${base32Text(base32ValuesFromBytes(Buffer.concat([body, checksum(body)])))}`;
}

/**
 * Reads what {@link encodeTicket} wrote, in either case, with whatever mail and terminals put in between.
 * Throws `bad-ticket`, saying whether it is no ticket at all, one of another version, incomplete, or damaged.
 */
export function decodeTicket(text: string): PairingTicket {
  if (text.length > maxTextLength) throw notATicket();
  const match = /^landropic(\d{1,4}):(.*)$/i.exec(text.replace(addedInTransit, ''));
  if (match === null) throw notATicket();
  if (Number(match[1]) !== version) {
    throw new CryptoError(
      'bad-ticket',
      `this ticket has version ${match[1]}, and only version ${version} is known here: bring both devices to the same version of landropic`,
    );
  }
  return decodeBody(match[2] ?? '');
}

function notATicket(): CryptoError {
  return new CryptoError('bad-ticket', `not a pairing ticket: one starts with "${prefix}${version}:"`);
}

function damaged(): CryptoError {
  return new CryptoError('bad-ticket', 'the ticket is damaged: copy the whole line again');
}

function incomplete(): CryptoError {
  return new CryptoError('bad-ticket', 'the ticket is incomplete: copy the whole line again');
}

function decodeBody(text: string): PairingTicket {
  const values = [...text].map((character) => {
    const value = base32Value(character);
    if (value === undefined) throw damaged();
    return value;
  });
  const { bytes, exact } = bytesFromBase32Values(values);
  const encoded = Buffer.from(bytes);
  const body = encoded.subarray(0, measureBody(encoded));
  if (!exact || !checksum(body).equals(encoded.subarray(body.length))) throw damaged();
  return parseBody(body);
}

/** Walks over the addresses to where the checksum starts, so that missing characters can be told from wrong ones. */
function measureBody(encoded: Buffer): number {
  const count = encoded[0] ?? 0;
  if (count > maxTicketAddresses) throw damaged();
  let length = headLength;
  for (let index = 0; index < count; index += 1) {
    const family = encoded[length];
    if (family === undefined) throw incomplete();
    if (family !== 4 && family !== 6) throw damaged();
    length += family === 4 ? 7 : 19;
  }
  if (encoded.length < length + checksumLength) throw incomplete();
  if (encoded.length > length + checksumLength) throw damaged();
  return length;
}

function parseBody(body: Buffer): PairingTicket {
  let offset = 1;
  const take = (length: number): Buffer => {
    offset += length;
    return body.subarray(offset - length, offset);
  };
  const inviter = deviceIdFromBytes(take(deviceIdLength));
  const secret = new Uint8Array(take(ticketSecretBytes));
  const expiresAtMs = take(expiryLength).readUIntBE(0, expiryLength);
  const addresses: TicketAddress[] = [];
  while (offset < body.length) {
    const host = formatHost(take(take(1)[0] === 4 ? 4 : 16));
    const port = take(2).readUInt16BE();
    if (port === 0) throw damaged();
    addresses.push({ host, port });
  }
  return { version, inviter, addresses, secret, expiresAtMs };
}

function checksum(body: Uint8Array): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, checksumLength);
}

function encodeAddress({ host, port }: TicketAddress): Buffer {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new CryptoError('bad-ticket', `no ticket can hold port ${port}`);
  }
  const hostBytes = parseHost(host);
  const portBytes = Buffer.alloc(2);
  portBytes.writeUInt16BE(port);
  return Buffer.concat([Buffer.from([hostBytes.length === 4 ? 4 : 6]), hostBytes, portBytes]);
}

function parseHost(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from(host.split('.').map(Number));
  // A zone names an interface of the machine that wrote it, and means nothing on any other.
  if (!isIPv6(host) || host.includes('%')) {
    throw new CryptoError('bad-ticket', `a ticket holds IP addresses without a zone, not "${host}"`);
  }
  const [head = '', tail] = canonicalIpv6(host).split('::');
  const headGroups = head === '' ? [] : head.split(':');
  const tailGroups = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - headGroups.length - tailGroups.length }, () => '0');
  const groups = [...headGroups, ...zeros, ...tailGroups];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function formatHost(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return canonicalIpv6((bytes.toString('hex').match(/.{4}/g) ?? []).join(':'));
}

/** The URL standard writes IPv6 addresses in one way only: lower case, hexadecimal, the longest run of zeros as `::`. */
function canonicalIpv6(host: string): string {
  return new URL(`http://[${host}]`).hostname.slice(1, -1);
}

/** Names a ticket without giving its secret away: the first 8 bytes of the secret's SHA-256. */
export function ticketId(secret: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(secret).digest().subarray(0, ticketIdBytes));
}

/**
 * What the side with this role sends to show that it knows the secret: 32 bytes,
 * HMAC-SHA256(secret, "landropic-pair/1" ‖ role ‖ inviter's ID ‖ accepter's ID), the role in ASCII, the IDs 32 bytes each.
 * With both IDs taken from the connection's certificates, it is worth nothing on any other connection.
 */
export function redeemProof(
  secret: Uint8Array,
  role: 'inviter' | 'accepter',
  inviterId: DeviceId,
  accepterId: DeviceId,
): Uint8Array {
  const mac = createHmac('sha256', secret)
    .update('landropic-pair/1')
    .update(role)
    .update(deviceIdBytes(inviterId))
    .update(deviceIdBytes(accepterId));
  return new Uint8Array(mac.digest());
}

/** Whether two proofs are equal, in a time that does not tell where they differ. */
export function proofsEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
