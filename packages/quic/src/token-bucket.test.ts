import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.js';

describe('TokenBucket', () => {
  it('gives its capacity at once, and then as much as is refilled', () => {
    const bucket = new TokenBucket({ capacity: 10, refillPerSecond: 2 }, 1_000);
    expect(bucket.tryTake(10, 1_000)).toBe(true);
    expect(bucket.tryTake(1, 1_000)).toBe(false);
    expect(bucket.tryTake(1, 1_499)).toBe(false);
    expect(bucket.msUntil(1, 1_499)).toBeCloseTo(1);
    expect(bucket.tryTake(1, 1_500)).toBe(true);
    expect(bucket.tryTake(1, 1_500)).toBe(false);
  });

  it('takes all or nothing', () => {
    const bucket = new TokenBucket({ capacity: 10, refillPerSecond: 1 }, 0);
    expect(bucket.tryTake(11, 0)).toBe(false);
    expect(bucket.available(0)).toBe(10);
    expect(bucket.msUntil(11, 0)).toBe(Number.POSITIVE_INFINITY);
    for (const count of [Number.NaN, -1]) expect(bucket.tryTake(count, 0)).toBe(false);
  });

  it('never holds more than its capacity, however long it rests', () => {
    const bucket = new TokenBucket({ capacity: 5, refillPerSecond: 100 }, 0);
    bucket.tryTake(5, 0);
    expect(bucket.isFull(40)).toBe(false);
    expect(bucket.isFull(50)).toBe(true);
    expect(bucket.available(3_600_000)).toBe(5);
  });

  it('refuses a rate that would never give anything', () => {
    for (const options of [
      { capacity: 0, refillPerSecond: 1 },
      { capacity: 1, refillPerSecond: 0 },
      { capacity: Number.NaN, refillPerSecond: 1 },
    ]) {
      expect(() => new TokenBucket(options, 0)).toThrow(RangeError);
    }
  });

  it('lets no more through in any window than capacity and refill, and no less to who asks patiently', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: -50, max: 500 }), fc.integer({ min: 1, max: 4 })), {
      maxLength: 100,
    });
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: 4, max: 20 }),
        fc.integer({ min: 1, max: 50 }),
        (each, capacity, rate) => {
          const bucket = new TokenBucket({ capacity, refillPerSecond: rate }, 0);
          let nowMs = 0;
          let highestMs = 0;
          let taken = 0;
          for (const [passedMs, count] of each) {
            nowMs += passedMs;
            highestMs = Math.max(highestMs, nowMs);
            if (bucket.tryTake(count, nowMs)) taken += count;
            expect(taken).toBeLessThanOrEqual(capacity + (highestMs * rate) / 1_000 + 1e-6);
            const waitMs = bucket.msUntil(count, highestMs);
            nowMs = Math.max(nowMs, highestMs + waitMs);
            highestMs = nowMs;
            expect(bucket.tryTake(count, nowMs)).toBe(true);
            taken += count;
          }
        },
      ),
    );
  });
});
