import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ContentHash, DeviceKey, IncarnationId } from '../model/identifiers.js';
import { asPath, deleted, directory, symlink } from '../testing/entries.js';
import { folder, frames } from '../testing/frames.js';
import { decodePayload, encodePayload, WireError } from './codec.js';
import { FrameType } from './frame-types.js';
import { toHex } from './hex.js';

describe('whatever comes', () => {
  const types = fc.oneof(fc.constantFrom(...Object.values(FrameType)), fc.integer({ min: 0, max: 255 }));
  const survives = (type: number, payload: Uint8Array) => {
    try {
      decodePayload(type, payload);
    } catch (error) {
      expect(error).toBeInstanceOf(WireError);
    }
  };

  it('raw bytes throw nothing but WireError', () => {
    fc.assert(fc.property(types, fc.uint8Array({ maxLength: 200 }), survives), { numRuns: 3000 });
  });

  it('bytes changed in a sound frame throw nothing but WireError', () => {
    const edits = fc.array(fc.tuple(fc.nat(500), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...frames), edits, fc.nat(500), (frame, changes, cut) => {
        const { frameType, payload } = encodePayload(frame);
        for (const [at, value] of changes) payload[at % payload.length] = value;
        survives(frameType, payload.subarray(0, cut < 400 ? payload.length : cut % payload.length));
      }),
      { numRuns: 5000 },
    );
  });

  it('random entries come back as they were', () => {
    const hex = (count: number) =>
      fc.uint8Array({ minLength: count, maxLength: count }).map((bytes) => toHex(bytes));
    const counter = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const stamp = fc.record({
      found: fc.boolean(),
      physicalMs: fc.nat(2 ** 42),
      counter: fc.nat(),
      incarnation: hex(8) as fc.Arbitrary<IncarnationId>,
    });
    const size = fc.integer({ min: 1, max: 4 * 1024 * 1024 });
    const oneChunk = fc.tuple(hex(32), size).map(([hash, sizeBytes]) => ({
      type: 'file' as const,
      sizeBytes,
      hash: hash as ContentHash,
      chunks: [{ hash: hash as ContentHash, lengthBytes: sizeBytes }],
    }));
    const manyChunks = fc
      .tuple(
        hex(32),
        fc.array(fc.record({ hash: hex(32) as fc.Arbitrary<ContentHash>, lengthBytes: size }), {
          minLength: 2,
          maxLength: 5,
        }),
      )
      .map(([hash, chunks]) => ({
        type: 'file' as const,
        sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.lengthBytes, 0),
        hash: hash as ContentHash,
        chunks,
      }));
    const content = fc.oneof(oneChunk, manyChunks, fc.constantFrom(directory, deleted, symlink('t')));
    const vector = fc
      .array(fc.tuple(hex(8) as fc.Arbitrary<IncarnationId>, counter), { minLength: 1, maxLength: 5 })
      .map((items) => new Map(items));
    const version = fc.record({
      content,
      vector,
      stamp,
      replaced: fc.array(hex(32) as fc.Arbitrary<ContentHash>, { maxLength: 8 }),
      author: fc.constant('AB-C' as DeviceKey),
    });
    const metadata = fc.record({
      mtimeNs: fc.bigInt(-(2n ** 63n) + 1n, 2n ** 63n - 1n),
      executable: fc.boolean(),
      mode: fc.nat(0o7777),
      stamp,
    });
    const entry = fc.record({ path: fc.constantFrom(asPath('a'), asPath('b/ç')), version, metadata });
    fc.assert(
      fc.property(fc.array(fc.record({ sequence: fc.nat(), entry }), { maxLength: 3 }), (items) => {
        const { frameType, payload } = encodePayload({ type: 'indexEntries', folder, entries: items });
        expect(decodePayload(frameType, payload)).toEqual({ type: 'indexEntries', folder, entries: items });
      }),
      { numRuns: 300 },
    );
  });
});
