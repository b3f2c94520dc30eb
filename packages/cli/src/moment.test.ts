import { expect, test } from 'vitest';
import { formatMoment, parseMoment } from './moment.js';

const NOW = Date.UTC(2026, 0, 31, 12);

test.each([
  ['2026-01-31T11:00:00Z', Date.UTC(2026, 0, 31, 11)],
  ['2026-01-31T11:00:00.250Z', Date.UTC(2026, 0, 31, 11, 0, 0, 250)],
  ['2026-01-31 11:00+02:00', Date.UTC(2026, 0, 31, 9)],
  ['2h', NOW - 7_200_000],
  ['2026-01-31 11:00:05', new Date(2026, 0, 31, 11, 0, 5).getTime()],
  ['2026-01-31', new Date(2026, 0, 31).getTime()],
])('%s is a time', (text, atMs) => {
  expect(parseMoment(text, NOW).getTime()).toBe(atMs);
});

test.each(['', 'yesterday', '11:00', '2026-13-01', '2026-01-31T25:00', '2d'])("'%s' is refused", (text) => {
  expect(() => parseMoment(text, NOW)).toThrow(/like/);
});

test('what is shown can be given back, and means the same second', () => {
  const iso = '2026-07-31T11:22:33.444Z';
  expect(parseMoment(formatMoment(iso)).toISOString()).toBe('2026-07-31T11:22:33.000Z');
});
