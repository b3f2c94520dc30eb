import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Chunker, type ChunkParameters, chunkParameters } from './fastcdc.js';
import { GEAR_TABLE } from './gear-table.js';

const KIB = 1024;
const SMALL: ChunkParameters = { minBytes: 64, averageBytes: 256, maxBytes: 1024 };

/** xorshift32: the same bytes everywhere, for the golden vectors. */
function pseudoRandomBytes(count: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let x = seed;
  for (let i = 0; i < count; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x >>> 11;
  }
  return bytes;
}

function chunkLengths(pieces: readonly Uint8Array[], parameters: ChunkParameters): number[] {
  const chunker = new Chunker(parameters);
  const lengths: number[] = [];
  for (const piece of pieces) chunker.push(piece, (length) => lengths.push(length));
  chunker.finish((length) => lengths.push(length));
  return lengths;
}

/** The definition, without any of the shortcuts: the hash of a place is that of the 32 bytes before it. */
function slowLengths(bytes: Uint8Array, { minBytes, averageBytes, maxBytes }: ChunkParameters): number[] {
  const bits = Math.log2(averageBytes);
  const lengths: number[] = [];
  let start = 0;
  for (let end = 1; end <= bytes.length; end++) {
    const length = end - start;
    let hash = 0;
    const from = Math.max(start, start + minBytes - 32, end - 32);
    for (let i = from; i < end; i++) hash = ((hash << 1) + (GEAR_TABLE[bytes[i] ?? 0] ?? 0)) | 0;
    const zeros = length <= averageBytes ? bits + 2 : bits - 2;
    const isCut = length > minBytes && hash >>> (32 - zeros) === 0;
    if (isCut || length === maxBytes || end === bytes.length) {
      lengths.push(length);
      start = end;
    }
  }
  return lengths;
}

describe('chunkParameters', () => {
  it.each([
    [0, 64],
    [64 * KIB, 64],
    [4 * KIB ** 3 - 1, 64],
    [4 * KIB ** 3, 256],
  ])('takes for %d bytes a minimum of %d KiB', (size, minKib) => {
    expect(chunkParameters(size)).toEqual({
      minBytes: minKib * KIB,
      averageBytes: 4 * minKib * KIB,
      maxBytes: 16 * minKib * KIB,
    });
  });
});

describe('Chunker', () => {
  it('cuts as the protocol has it: golden vectors', () => {
    expect([...GEAR_TABLE.slice(0, 4)].map((x) => (x >>> 0).toString(16))).toMatchInlineSnapshot(`
      [
        "92ca2f0e",
        "3cd6e3f3",
        "1b147dcc",
        "4c081dbf",
      ]
    `);
    expect(GEAR_TABLE.reduce((sum, x) => (Math.imul(sum, 31) + x) | 0, 0)).toMatchInlineSnapshot(`455644029`);
    const bytes = pseudoRandomBytes(3_000_000, 1);
    expect(chunkLengths([bytes], chunkParameters(bytes.length))).toMatchInlineSnapshot(`
      [
        69528,
        303866,
        281370,
        331285,
        404252,
        493701,
        287709,
        277047,
        275283,
        275959,
      ]
    `);
    expect(chunkLengths([bytes], chunkParameters(5 * KIB ** 3))).toMatchInlineSnapshot(`
      [
        1050460,
        1121251,
        828289,
      ]
    `);
    expect(chunkLengths([new Uint8Array(2_500_000)], chunkParameters(2_500_000))).toMatchInlineSnapshot(`
      [
        1048576,
        1048576,
        402848,
      ]
    `);
  });

  it('leaves a file of at most 64 KiB whole', () => {
    for (const size of [1, 4096, 64 * KIB]) {
      expect(chunkLengths([pseudoRandomBytes(size, 7)], chunkParameters(size))).toEqual([size]);
    }
    expect(chunkLengths([], chunkParameters(0))).toEqual([]);
  });

  it('cuts where the definition says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.nat(8000), (seed, size) => {
        const bytes = pseudoRandomBytes(size, seed);
        expect(chunkLengths([bytes], SMALL)).toEqual(slowLengths(bytes, SMALL));
      }),
      { numRuns: 50 },
    );
  });

  it('cuts the same however the bytes are divided, and tells where in the piece', () => {
    const cuts = fc.array(fc.nat(5000), { maxLength: 30 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), cuts, (seed, at) => {
        const bytes = pseudoRandomBytes(5000, seed);
        const edges = [0, ...at.sort((a, b) => a - b), bytes.length];
        const pieces = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
        expect(chunkLengths(pieces, SMALL)).toEqual(chunkLengths([bytes], SMALL));
        const chunker = new Chunker(SMALL);
        let total = 0;
        for (const [i, piece] of pieces.entries()) {
          chunker.push(piece, (length, end) => {
            total += length;
            expect((edges[i] ?? 0) + end).toBe(total);
          });
        }
      }),
    );
  });

  it('finds its old boundaries again after bytes were put in front', () => {
    const bytes = pseudoRandomBytes(4_000_000, 3);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const ends = (lengths: number[]) => {
      let sum = 0;
      return lengths.map((length) => {
        sum += length;
        return sum;
      });
    };
    const before = ends(chunkLengths([bytes], chunkParameters(bytes.length)));
    const after = new Set(
      ends(chunkLengths([shifted], chunkParameters(shifted.length))).map((end) => end - 1),
    );
    expect(before.filter((end) => after.has(end)).length).toBeGreaterThan(before.length - 4);
  });
});
