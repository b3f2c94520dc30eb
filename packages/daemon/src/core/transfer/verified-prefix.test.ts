import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VerifiedPrefix } from './verified-prefix.js';

describe('the verified prefix', () => {
  it('is what is right before the first gap, whatever the order', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 30 });
    const files = lengths.chain((all) =>
      fc.tuple(fc.constant(all), fc.array(fc.nat(Math.max(0, all.length - 1)))),
    );
    fc.assert(
      fc.property(files, ([all, order]) => {
        const prefix = new VerifiedPrefix(all.map((lengthBytes) => ({ lengthBytes })));
        const right = new Set<number>();
        for (const index of all.length === 0 ? [] : order) {
          prefix.add(index);
          right.add(index);
          const gap = all.findIndex((_, i) => !right.has(i));
          const bytes = all.slice(0, gap < 0 ? all.length : gap).reduce((sum, length) => sum + length, 0);
          expect(prefix.bytes).toBe(bytes);
        }
      }),
    );
  });
});
