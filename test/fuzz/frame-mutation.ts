import { frames } from '../../packages/daemon/src/core/testing/frames.js';
import { encodePayload } from '../../packages/daemon/src/core/wire/codec.js';
import { decodeFields } from '../../packages/daemon/src/core/wire/fields.js';
import { ByteSource } from './byte-source.js';
import { encodeLoosely } from './loose-cbor.js';
import { anyValue } from './near-values.js';

/** A frame as it goes over the wire, sound or not. */
export interface WireFrame {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** A sound frame of every type: what mutations begin with. */
export const soundFrames: readonly WireFrame[] = frames.map((frame) => {
  const { frameType, payload } = encodePayload(frame);
  return { type: frameType, payload: Uint8Array.from(payload) };
});

const MAX_EDITS = 4;

/** A sound frame with some bytes changed, put in, taken out, doubled, or exchanged with those of another frame. */
export function mutateBytes(entropy: Uint8Array): WireFrame {
  const source = new ByteSource(entropy);
  const { type, payload } = source.pick(soundFrames);
  let bytes: Uint8Array = Uint8Array.from(payload);
  for (let edits = 1 + source.below(MAX_EDITS); edits > 0; edits--) bytes = editBytes(bytes, source);
  return { type: source.oneIn(12) ? source.byte() : type, payload: bytes };
}

function editBytes(bytes: Uint8Array, source: ByteSource): Uint8Array {
  const at = source.below(bytes.length + 1);
  const count = 1 + source.below(8);
  switch (source.below(7)) {
    case 0:
      return withByte(bytes, at, source.byte());
    case 1:
      return withByte(bytes, at, (bytes[at] ?? 0) ^ (1 << source.below(8)));
    case 2:
      return join(bytes.subarray(0, at), source.take(count), bytes.subarray(at));
    case 3:
      return join(bytes.subarray(0, at), bytes.subarray(at + count));
    case 4:
      return bytes.slice(0, at);
    case 5:
      return join(bytes.subarray(0, at), bytes.subarray(Math.max(0, at - count)));
    default: {
      const other = source.pick(soundFrames).payload;
      return join(bytes.subarray(0, at), other.subarray(source.below(other.length + 1)));
    }
  }
}

function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  if (at < changed.length) changed[at] = value;
  return changed;
}

/** A sound frame with values of it exchanged, keys swapped, fields left out or added, and lengths that lie. */
export function mutateFields(entropy: Uint8Array): WireFrame {
  const source = new ByteSource(entropy);
  const { type, payload } = source.pick(soundFrames);
  return { type, payload: encodeLoosely(mutateValue(decodeFields(payload), source), source) };
}

function mutateValue(value: unknown, source: ByteSource): unknown {
  if (source.oneIn(10)) return anyValue(source);
  if (value instanceof Map) return mutateMap(value, source);
  if (Array.isArray(value)) return mutateList(value, source);
  if (value instanceof Uint8Array) return mutateByteString(value, source);
  if (typeof value === 'number' && source.oneIn(4))
    return value + source.pick([1, -1, 256, 2 ** 32, 2 ** 53]);
  if (typeof value === 'string' && source.oneIn(4))
    return value + source.pick(['', '/', '\0', 'x', '/..', ' ']);
  return value;
}

function mutateMap(map: ReadonlyMap<unknown, unknown>, source: ByteSource): Map<unknown, unknown> {
  const pairs = [...map].map(([key, value]) => [key, mutateValue(value, source)] as [unknown, unknown]);
  const [first, second] = [pairs[source.below(pairs.length)], pairs[source.below(pairs.length)]];
  if (first !== undefined && second !== undefined && source.oneIn(6)) {
    [first[0], second[0]] = [second[0], first[0]];
  }
  if (source.oneIn(8)) pairs.splice(source.below(pairs.length), 1);
  if (source.oneIn(8)) pairs.push([source.byte(), anyValue(source)]);
  if (source.oneIn(8)) pairs.reverse();
  return new Map(pairs);
}

function mutateList(list: readonly unknown[], source: ByteSource): unknown[] {
  const items = list.map((item) => mutateValue(item, source));
  if (source.oneIn(8)) items.splice(source.below(items.length + 1), 1);
  if (source.oneIn(8)) items.push(anyValue(source));
  if (source.oneIn(8)) return Array.from({ length: 2 ** (1 + source.below(5)) }, () => items).flat();
  return items;
}

/** Entries are maps inside of byte strings: they are opened, changed and packed again. */
function mutateByteString(bytes: Uint8Array, source: ByteSource): Uint8Array {
  const isMap = ((bytes[0] ?? 0) & 0xe0) === 0xa0;
  if (isMap && bytes.length > 16 && !source.oneIn(8)) {
    try {
      return encodeLoosely(mutateValue(decodeFields(bytes), source), source);
    } catch {
      // Not a map after all.
    }
  }
  return source.oneIn(4) ? editBytes(bytes, source) : bytes;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
