import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendQueue } from './send-queue.js';

const chunk = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: 0, max: 20_000 }).map((size) => new Uint8Array(size).map((_, i) => i * 31)),
);

describe('SendQueue', () => {
  it('gives out what was put in, in order, however much is taken at a time', () => {
    const limits = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 30 }),
        limits,
        fc.integer({ min: 1, max: 100 }),
        (chunks, steps, share) => {
          const queue = new SendQueue();
          const scratch = new Uint8Array(64 * 1024);
          for (const bytes of chunks) queue.push(bytes);
          const expected = Buffer.concat(chunks);
          expect(queue.bufferedBytes).toBe(expected.length);
          const out: Buffer[] = [];
          for (let i = 0; queue.bufferedBytes > 0; i++) {
            const limit = steps[i % steps.length] ?? 1;
            const bytes = queue.peek(limit, scratch);
            expect(bytes.length).toBeGreaterThan(0);
            expect(bytes.length).toBeLessThanOrEqual(limit);
            // The transport may take a part only.
            const taken = Math.max(1, Math.floor((bytes.length * share) / 100));
            out.push(Buffer.from(bytes.subarray(0, taken)));
            queue.advance(taken);
          }
          expect(Buffer.concat(out).equals(expected)).toBe(true);
          expect(queue.peek(10, scratch)).toHaveLength(0);
        },
      ),
    );
  });

  it('does not copy large chunks, and gathers small ones', () => {
    const queue = new SendQueue();
    const scratch = new Uint8Array(64 * 1024);
    const large = new Uint8Array(100_000);
    queue.push(large);
    expect(queue.peek(50_000, scratch).buffer).toBe(large.buffer);
    queue.advance(100_000);
    for (let i = 0; i < 100; i++) queue.push(Uint8Array.of(i));
    expect(queue.peek(1_000, scratch)).toHaveLength(100);
  });

  it('forgets everything when cleared', () => {
    const queue = new SendQueue();
    queue.push(new Uint8Array(10));
    queue.clear();
    expect(queue.bufferedBytes).toBe(0);
  });
});
