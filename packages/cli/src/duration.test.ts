import { expect, test } from 'vitest';
import { parseDurationMs } from './duration.js';

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['10m', 600_000],
  ['2h', 7_200_000],
  ['1.5h', 5_400_000],
  ['596h', 2_145_600_000],
])('%s is %i ms', (text, durationMs) => {
  expect(parseDurationMs(text)).toBe(durationMs);
});

test.each(['', '5', 's', '-1s', '1 s', '0ms', '0.1ms', '597h', '1d', '1e3s', '10m5s', 'Infinityms'])(
  "'%s' is refused",
  (text) => {
    expect(() => parseDurationMs(text)).toThrow();
  },
);
