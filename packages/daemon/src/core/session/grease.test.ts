import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePayload } from '../wire/codec.js';
import { Grease } from './grease.js';

/** Always the same, for the same seed. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('Grease', () => {
  it('makes what this version passes over, and nothing else', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const grease = new Grease(numbers(seed));
        const frame = grease.frame();
        if (frame !== undefined) {
          expect(decodePayload(frame.frameType, frame.payload)).toBeUndefined();
          expect(frame.payload.length).toBeLessThanOrEqual(32);
        }
        for (const feature of grease.features()) expect(feature).toMatch(/^grease-e[0-9a-f]$/);
        for (const [key] of grease.fields()) {
          expect(key).toBeGreaterThanOrEqual(0xe0);
          expect(key).toBeLessThanOrEqual(0xef);
        }
      }),
    );
  });

  it('does so now and then', () => {
    const grease = new Grease(numbers(1));
    const made = Array.from({ length: 200 }, () => grease.frame() !== undefined);
    const count = made.filter(Boolean).length;
    expect(count).toBeGreaterThan(50);
    expect(count).toBeLessThan(150);
  });
});
