import { expect, test } from 'vitest';
import { LogLimiter } from './log-limiter.js';

test('a burst of each kind in a window is let through, and the next says how many were not', () => {
  let nowMs = 0;
  const limiter = new LogLimiter(() => nowMs, { burst: 2, windowMs: 1_000 });
  expect([1, 2, 3, 4].map(() => limiter.admit('a'))).toEqual([0, 0, undefined, undefined]);
  expect(limiter.admit('b')).toBe(0);
  nowMs = 999;
  expect(limiter.admit('a')).toBeUndefined();
  nowMs = 1_000;
  expect(limiter.admit('a')).toBe(3);
  expect(limiter.admit('a')).toBe(0);
  expect(limiter.admit('a')).toBeUndefined();
});

test('it forgets the oldest kind rather than grow', () => {
  const limiter = new LogLimiter(() => 0, { burst: 1, maxKinds: 2 });
  expect(['a', 'b', 'c', 'b', 'a'].map((kind) => limiter.admit(kind))).toEqual([0, 0, 0, undefined, 0]);
});
