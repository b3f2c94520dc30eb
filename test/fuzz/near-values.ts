import type { ByteSource } from './byte-source.js';
import { RawItem } from './loose-cbor.js';

/** Numbers at which something changes: lengths of heads, limits of the protocol, ends of integer types. */
const NUMBERS: readonly (number | bigint)[] = [
  0,
  1,
  7,
  8,
  23,
  24,
  255,
  256,
  1_023,
  1_024,
  2_000,
  65_535,
  65_536,
  100_000,
  4_000_000,
  4_194_304,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
  -1,
  -24,
  -25,
  -(2n ** 53n),
  -(2n ** 63n),
  -(2n ** 64n),
];

const TEXTS: readonly string[] = [
  '',
  'a',
  'photos',
  '.',
  '..',
  'a/b',
  '/a',
  'a//b',
  '../a',
  'a/..',
  '.landropic/x',
  '.LANDROPIC ',
  'a\0b',
  'e\u0301',
  '\u00e9',
  '\u{1f600}',
  '\u001b[2J',
  'CON',
  'x'.repeat(64),
  'x'.repeat(65),
  'x'.repeat(256),
  `${'d/'.repeat(2_047)}f`,
  'x'.repeat(4_097),
  '\u00e9'.repeat(2_049),
];

/** Lengths of byte strings that mean something: identifiers, hashes, packed chunks, vectors. */
const LENGTHS: readonly number[] = [0, 1, 7, 8, 9, 16, 31, 32, 33, 36, 64, 65, 72, 128, 160, 1_152, 4_112];

/** Things that are no item of the protocol's subset of CBOR, or none at all. */
const FORBIDDEN: readonly (readonly number[])[] = [
  [0xc0, 0x00],
  [0xf7],
  [0xf8, 0x20],
  [0xf9, 0x7e, 0x00],
  [0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
  [0xff],
  [0x9f, 0x01, 0xff],
  [0x5f, 0x41, 0x01, 0xff],
  [0xbf, 0x00, 0x00, 0xff],
  [0x62, 0xc3, 0x28],
  [0x61, 0xff],
  [0x1c],
  [0x7c],
  [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xba, 0xff, 0xff, 0xff, 0xff],
  [0x5a, 0x7f, 0xff, 0xff, 0xff],
  [0xa2, 0x00, 0x00, 0x00, 0x00],
];

const MAX_ITEMS = 12;

/** A name, a path or a text, sound or not. */
export function anyText(source: ByteSource): string {
  return source.pick(TEXTS);
}

/** Some value that a field might hold, or should not. */
export function anyValue(source: ByteSource, depth = 0): unknown {
  switch (source.below(depth > 4 ? 6 : 10)) {
    case 0:
      return source.byte();
    case 1:
      return source.pick(NUMBERS);
    case 2:
      return anyText(source);
    case 3:
      return source.take(source.pick(LENGTHS));
    case 4:
      return source.pick([true, false, null]);
    case 5:
      return source.oneIn(4)
        ? new RawItem(Uint8Array.from(source.pick(FORBIDDEN)))
        : String.fromCodePoint(...[...source.take(source.below(9))].map((byte) => byte + 1));
    case 6:
    case 7:
      return Array.from({ length: source.below(MAX_ITEMS) }, () => anyValue(source, depth + 1));
    case 8:
      return nested(source.below(40));
    default:
      return anyFields(source, depth + 1);
  }
}

/** A map as payloads are: small keys, most of them in order. */
export function anyFields(source: ByteSource, depth = 0): Map<unknown, unknown> {
  const fields = new Map<unknown, unknown>();
  const count = source.below(MAX_ITEMS);
  for (let key = 0; key < count; key++) {
    fields.set(source.oneIn(16) ? anyValue(source, 5) : key, anyValue(source, depth + 1));
  }
  return fields;
}

function nested(depth: number): unknown {
  let value: unknown = 0;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}
