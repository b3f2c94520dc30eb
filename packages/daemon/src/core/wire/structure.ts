import { Limits } from './limits.js';
import { WireError } from './wire-error.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;

/**
 * Walks one CBOR item without building anything, and throws unless it is within the protocol's subset: definite lengths
 * that the input really holds, no tags, floats or simple values but false, true and null, well-formed UTF-8, maps with
 * keys below 256, at most 16 deep, nothing behind it. The CBOR library does not bound depth (it recurses) and repairs
 * broken UTF-8, so it sees only what passed here.
 */
export function checkStructure(bytes: Uint8Array): void {
  /** Items still to come on each level; for maps keys and values count, so that an even rest means a key is next. */
  const rest: number[] = [];
  const isMap: boolean[] = [];
  let position = 0;
  do {
    const depth = rest.length - 1;
    const left = rest[depth];
    const initial = bytes[position] ?? endsEarly();
    const major = initial >> 5;
    const minor = initial & 31;
    if (left !== undefined) {
      if (isMap[depth] && left % 2 === 0 && initial > 0x18) refuse('a map key that is not a small integer');
      rest[depth] = left - 1;
    }
    if (minor > 27) refuse('an indefinite length or a reserved one');
    const argumentBytes = minor < 24 ? 0 : 1 << (minor - 24);
    const after = position + 1 + argumentBytes;
    if (after > bytes.length) endsEarly();
    position = after;
    if (major === BYTES || major === TEXT) {
      const length = argument(bytes, after, minor);
      position = after + length;
      if (position > bytes.length) endsEarly();
      if (major === TEXT) checkText(bytes, after, position);
    } else if (major === ARRAY || major === MAP) {
      const items = argument(bytes, after, minor) * (major === MAP ? 2 : 1);
      // Each item takes a byte at least, so nothing is ever reserved for items that are not there.
      if (items > bytes.length - after) endsEarly();
      if (rest.length >= Limits.nestingDepth) refuse('nested too deep');
      rest.push(items);
      isMap.push(major === MAP);
    } else if (major !== UNSIGNED && major !== NEGATIVE && (initial < 0xf4 || initial > 0xf6)) {
      refuse('a tag, a float or an unassigned value');
    }
    while (rest.length > 0 && rest[rest.length - 1] === 0) {
      rest.pop();
      isMap.pop();
    }
  } while (rest.length > 0);
  if (position !== bytes.length) refuse('something behind the end');
}

/** The argument of a head whose extra bytes end before `end`. Lengths of eight bytes are never needed. */
function argument(bytes: Uint8Array, end: number, minor: number): number {
  if (minor < 24) return minor;
  if (minor === 27) refuse('a length of eight bytes');
  let value = 0;
  for (let i = end - (1 << (minor - 24)); i < end; i++) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

function checkText(bytes: Uint8Array, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    if ((bytes[i] ?? 0) < 0x80) continue;
    try {
      utf8.decode(bytes.subarray(i, end));
    } catch (cause) {
      throw new WireError('malformed', 'text that is not UTF-8', { cause });
    }
    return;
  }
}

function endsEarly(): never {
  return refuse('an end too early');
}

function refuse(what: string): never {
  throw new WireError('malformed', `the payload has ${what}`);
}
