import { decode, encode } from 'cborg';
import { toHex, writeHex } from './hex.js';
import { checkStructure } from './structure.js';
import { WireError } from './wire-error.js';

/** A payload or a part of one: values by their small integer keys. Unknown keys stay and are not looked at. */
export type Fields = ReadonlyMap<number, unknown>;

const STRICT = {
  strict: true,
  useMaps: true,
  allowIndefinite: false,
  allowUndefined: false,
  rejectDuplicateMapKeys: true,
};

/** Fields whose value is undefined are left out: that is how an optional field is absent. */
export function encodeFields(fields: readonly (readonly [number, unknown])[]): Uint8Array {
  return encode(fieldMap(fields));
}

/** The same as a value inside of another map. */
export function fieldMap(fields: readonly (readonly [number, unknown])[]): Map<number, unknown> {
  const map = new Map<number, unknown>();
  for (const [key, value] of fields) if (value !== undefined) map.set(key, value);
  return map;
}

/** Throws `malformed` for anything but one map within the protocol's subset of CBOR. */
export function decodeFields(bytes: Uint8Array): Fields {
  checkStructure(bytes);
  let value: unknown;
  try {
    value = decode(bytes, STRICT);
  } catch (cause) {
    throw new WireError('malformed', 'the payload is not strict CBOR', { cause });
  }
  return asFields(value, 'payload');
}

export function asFields(value: unknown, name: string): Fields {
  if (value instanceof Map) return value;
  throw malformed(name, 'a map');
}

export function asList(value: unknown, name: string, maxItems: number): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(name, 'a list');
  if (value.length > maxItems) throw tooLong(name);
  return value;
}

export function asUint(value: unknown, name: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw malformed(name, 'an unsigned integer');
  if (value > max) throw tooLong(name);
  return value;
}

export function asInteger(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw malformed(name, 'an integer');
}

export function asBoolean(value: unknown, name: string): boolean {
  if (typeof value === 'boolean') return value;
  throw malformed(name, 'a boolean');
}

/** Text of at most that many characters (code points). */
export function asText(value: unknown, name: string, maxCharacters: number): string {
  if (typeof value !== 'string') throw malformed(name, 'text');
  if (exceedsCharacters(value, maxCharacters)) throw tooLong(name);
  return value;
}

export function asBytes(value: unknown, name: string, maxBytes: number): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed(name, 'a byte string');
  if (value.length > maxBytes) throw tooLong(name);
  return value;
}

/** Exactly that many bytes, as lower-case hex. */
export function asHex(value: unknown, name: string, byteCount: number): string {
  if (value instanceof Uint8Array && value.length === byteCount) return toHex(value);
  throw malformed(name, `${byteCount} bytes`);
}

/** The bytes of an identifier; throws `malformed` when it is not `byteCount` bytes of hex. */
export function hexBytes(hex: string, byteCount: number, name: string): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  if (!writeHex(hex, byteCount, bytes, 0)) throw malformed(name, `${byteCount} bytes in hex`);
  return bytes;
}

export function exceedsCharacters(text: string, maxCharacters: number): boolean {
  if (text.length <= maxCharacters) return false;
  if (text.length > 2 * maxCharacters) return true;
  let count = 0;
  for (const _ of text) count++;
  return count > maxCharacters;
}

export function malformed(name: string, wanted: string): WireError {
  return new WireError('malformed', `${name} is not ${wanted}`);
}

export function tooLong(name: string): WireError {
  return new WireError('limit-exceeded', `${name} is beyond its limit`);
}
