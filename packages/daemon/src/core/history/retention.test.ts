import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AreaPath } from '../ports/folder-disk.js';
import { findExpired, findSurplus, historyBudget, MIN_AGE_MS, versionAt } from './retention.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A Thursday at 12:00 UTC: weeks are counted from Thursdays. */
const NOW = Date.UTC(2026, 0, 29, 12);
const aged = (...agesMs: number[]) => agesMs.map((age) => ({ displacedAtMs: NOW - age, age }));
const kept = (agesMs: number[], keepDays = 30) => {
  const items = aged(...agesMs);
  const gone = new Set(findExpired(items, NOW, { keepDays }));
  return items.filter((item) => !gone.has(item)).map(({ age }) => age);
};

describe('what expires of one path', () => {
  it('is nothing of the last day', () => {
    const ages = Array.from({ length: 23 }, (_, hour) => hour * HOUR);
    expect(kept(ages)).toEqual(ages);
  });

  it('leaves the newest of each day in the week before', () => {
    expect(kept([2 * DAY, 2 * DAY + HOUR, 3 * DAY, 3 * DAY + 2 * HOUR])).toEqual([2 * DAY, 3 * DAY]);
  });

  it('leaves the newest of each week after that', () => {
    expect(kept([14 * DAY + HOUR, 15 * DAY, 16 * DAY, 25 * DAY])).toEqual([
      14 * DAY + HOUR,
      15 * DAY,
      25 * DAY,
    ]);
  });

  it('is all that is older than the policy says', () => {
    expect(kept([29 * DAY, 30 * DAY, 31 * DAY])).toEqual([29 * DAY]);
    expect(kept([HOUR, 2 * DAY], 1)).toEqual([HOUR]);
  });

  it('is nothing that was displaced just now, even where nothing is to be kept', () => {
    expect(kept([0, MIN_AGE_MS - 1, MIN_AGE_MS], 0)).toEqual([0, MIN_AGE_MS - 1]);
    // A clock that was set back.
    expect(kept([-DAY], 0)).toEqual([-DAY]);
  });

  it('is the same however often one looks on the way', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40 * DAY), { maxLength: 40 }), fc.nat(20 * DAY), (agesMs, laterMs) => {
        const items = aged(...agesMs.sort((a, b) => a - b));
        const first = new Set(findExpired(items, NOW, { keepDays: 30 }));
        const between = items.filter((item) => !first.has(item));
        const later = NOW + laterMs;
        const twice = new Set(findExpired(between, later, { keepDays: 30 }));
        const left = between.filter((item) => !twice.has(item));
        // Whatever was thinned first, each week that one look alone would keep has its newest.
        const once = new Set(findExpired(items, later, { keepDays: 30 }));
        const wanted = items.filter((item) => !once.has(item) && !first.has(item));
        for (const item of wanted) expect(left).toContain(item);
      }),
    );
  });
});

describe('what goes for want of room', () => {
  const items = [5, 4, 3].map((hours) => ({
    displacedAtMs: NOW - hours * HOUR,
    sizeBytes: 10,
    area: `history/${hours}` as AreaPath,
  }));

  it('is the oldest, until enough is gone', () => {
    expect(findSurplus(items, 11, NOW)).toEqual(items.slice(0, 2));
    expect(findSurplus(items, 10, NOW)).toEqual(items.slice(0, 1));
    expect(findSurplus(items, 0, NOW)).toEqual([]);
    expect(findSurplus(items, 1000, NOW)).toEqual(items);
  });

  it('is nothing that was displaced just now', () => {
    expect(findSurplus(items, 1000, NOW - 3 * HOUR + 1)).toEqual(items.slice(0, 2));
  });
});

it('a tenth of the disk is a tenth of the disk', () => {
  expect(historyBudget({ totalBytes: 12_345 }, 10)).toBe(1234);
});

describe('the version that stood at a time', () => {
  const items = aged(HOUR, 2 * HOUR, 3 * HOUR);

  it('is the first that was displaced then or after', () => {
    expect(versionAt(items, NOW - 2.5 * HOUR)?.age).toBe(2 * HOUR);
    expect(versionAt(items, NOW - 2 * HOUR)?.age).toBe(2 * HOUR);
    expect(versionAt(items, 0)?.age).toBe(3 * HOUR);
  });

  it('is none where nothing was displaced since', () => {
    expect(versionAt(items, NOW)).toBeUndefined();
  });

  it('is the last one when no time is given', () => {
    expect(versionAt(items, undefined)?.age).toBe(HOUR);
    expect(versionAt([], undefined)).toBeUndefined();
  });
});
