import { frames } from '../../packages/daemon/src/core/testing/frames.js';
import { encodePayload } from '../../packages/daemon/src/core/wire/codec.js';
import { decodeFields } from '../../packages/daemon/src/core/wire/fields.js';
import { ByteSource } from './byte-source.js';
import { encodeLoosely } from './loose-cbor.js';
import { anyText, anyValue } from './near-values.js';

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

/** A sound frame with a few values of it exchanged, keys swapped, fields left out or added, and now and then lengths that lie. */
export function mutateFields(entropy: Uint8Array): WireFrame {
  const source = new ByteSource(entropy);
  const { type, payload } = source.pick(soundFrames);
  const count = countValues(decodeFields(payload));
  const places = new Set(Array.from({ length: 1 + source.below(3) }, () => source.below(count)));
  return { type, payload: new FieldMutation(source, places).change(payload) };
}

/** Values of a payload, those inside of entries included. */
function countValues(value: unknown): number {
  if (value instanceof Map)
    return 1 + [...value.values()].reduce<number>((sum, item) => sum + countValues(item), 0);
  if (Array.isArray(value)) return 1 + value.reduce<number>((sum, item) => sum + countValues(item), 0);
  const fields = readPacked(value);
  return fields === undefined ? 1 : 1 + countValues(fields);
}

/** Entries are maps inside of byte strings. */
function readPacked(value: unknown): unknown {
  if (!(value instanceof Uint8Array) || value.length < 17 || ((value[0] ?? 0) & 0xe0) !== 0xa0)
    return undefined;
  try {
    return decodeFields(value);
  } catch {
    return undefined;
  }
}

/** Walks through a payload and changes the values at some places of that walk. */
class FieldMutation {
  #place = 0;
  readonly #lies: ByteSource;

  constructor(
    private readonly source: ByteSource,
    private readonly places: ReadonlySet<number>,
  ) {
    this.#lies = source.oneIn(3) ? source : new ByteSource(new Uint8Array());
  }

  change(payload: Uint8Array): Uint8Array {
    return encodeLoosely(this.#walk(decodeFields(payload)), this.#lies);
  }

  #walk(value: unknown): unknown {
    const isChosen = this.places.has(this.#place++);
    const walked = this.#walkInto(value);
    return isChosen ? changeValue(walked, this.source) : walked;
  }

  #walkInto(value: unknown): unknown {
    if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, this.#walk(item)]));
    if (Array.isArray(value)) return value.map((item) => this.#walk(item));
    const fields = readPacked(value);
    return fields === undefined ? value : encodeLoosely(this.#walk(fields), this.#lies);
  }
}

function changeValue(value: unknown, source: ByteSource): unknown {
  if (source.oneIn(4)) return anyValue(source);
  if (value instanceof Map) return changeMap(value, source);
  if (Array.isArray(value)) return changeList(value, source);
  if (value instanceof Uint8Array) return changeBytes(value, source);
  if (typeof value === 'number') return value + source.pick([1, -1, 2, 256, 2 ** 32, 2 ** 53]);
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') return anyValue(source);
  return source.oneIn(2) ? anyText(source) : value + source.pick(['/', '\0', 'x', '/..', ' ', '']);
}

function changeMap(map: ReadonlyMap<unknown, unknown>, source: ByteSource): Map<unknown, unknown> {
  const pairs = [...map].map(([key, value]) => [key, value] as [unknown, unknown]);
  const [first, second] = [pairs[source.below(pairs.length)], pairs[source.below(pairs.length)]];
  switch (source.below(5)) {
    case 0:
      if (first !== undefined && second !== undefined) [first[0], second[0]] = [second[0], first[0]];
      break;
    case 1:
      if (first !== undefined && second !== undefined) [first[1], second[1]] = [second[1], first[1]];
      break;
    case 2:
      pairs.splice(source.below(pairs.length), 1);
      break;
    case 3:
      pairs.push([source.byte(), anyValue(source)]);
      break;
    default:
      pairs.reverse();
  }
  return new Map(pairs);
}

function changeList(list: readonly unknown[], source: ByteSource): unknown[] {
  const at = source.below(list.length + 1);
  switch (source.below(4)) {
    case 0:
      return list.toSpliced(at, 1);
    case 1:
      return list.toSpliced(at, 0, anyValue(source));
    case 2:
      return list.toReversed();
    default:
      return Array.from({ length: 2 ** (1 + source.below(5)) }, () => list).flat();
  }
}

/** One piece twice or two pieces in the other order: vectors and lists of chunks are such pieces. */
function changeBytes(bytes: Uint8Array, source: ByteSource): Uint8Array {
  const length = source.pick([8, 16, 32, 36]);
  const at = length * source.below(Math.floor(bytes.length / length) + 1);
  const [piece, rest] = [bytes.subarray(at, at + length), bytes.subarray(at + length)];
  switch (source.below(4)) {
    case 0:
      return join(bytes.subarray(0, at + length), piece, rest);
    case 1:
      return join(bytes.subarray(0, at), rest.subarray(0, length), piece, rest.subarray(length));
    case 2:
      return join(bytes.subarray(0, at), rest);
    default:
      return editBytes(bytes, source);
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
