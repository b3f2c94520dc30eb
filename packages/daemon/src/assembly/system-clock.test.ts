import { expect, it } from 'vitest';
import { systemClock } from './system-clock.js';

it('never calls back before the time, whatever fractions of a millisecond there are', async () => {
  const delays = Array.from({ length: 200 }, (_, i) => 1 + i / 7);
  const early = await Promise.all(
    delays.map(
      (delayMs) =>
        new Promise<boolean>((resolve) => {
          const dueMs = systemClock.monotonicMs() + delayMs;
          systemClock.after(delayMs, () => resolve(systemClock.monotonicMs() < dueMs));
        }),
    ),
  );
  expect(early.filter(Boolean)).toEqual([]);
});
