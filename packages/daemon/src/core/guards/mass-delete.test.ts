import { expect, test } from 'vitest';
import { DeletionCount, MASS_DELETE_DEFAULTS, MASS_DELETE_WINDOW_MS } from './mass-delete.js';

const limits = MASS_DELETE_DEFAULTS;

test('it takes more than 100 files and more than a quarter of the folder', () => {
  const count = new DeletionCount();
  expect(count.wouldExceed(100, 100, 0, limits)).toBe(false);
  expect(count.wouldExceed(101, 101, 0, limits)).toBe(true);
  expect(count.wouldExceed(101, 404, 0, limits)).toBe(false);
  expect(count.wouldExceed(101, 403, 0, limits)).toBe(true);
  expect(count.wouldExceed(10_000, 40_000, 0, limits)).toBe(false);
});

test('what was deleted within ten minutes counts, against what stood before that', () => {
  const count = new DeletionCount();
  count.add(90, 400, 0);
  // Of 400, not of the 310 that are left: 100 are a quarter and not more.
  expect(count.wouldExceed(10, 310, 1_000, limits)).toBe(false);
  expect(count.wouldExceed(11, 310, 1_000, limits)).toBe(true);
  expect(count.wouldExceed(11, 310, MASS_DELETE_WINDOW_MS - 1, limits)).toBe(true);
  expect(count.wouldExceed(100, 310, MASS_DELETE_WINDOW_MS, limits)).toBe(false);
});

test('deletions in one second are one point, and each is forgotten in its time', () => {
  const count = new DeletionCount();
  for (let i = 0; i < 50; i++) count.add(1, 110, i);
  count.add(50, 60, 60_000);
  expect(count.wouldExceed(1, 10, 60_001, limits)).toBe(true);
  expect(count.wouldExceed(50, 60, MASS_DELETE_WINDOW_MS + 1, limits)).toBe(false);
  expect(count.wouldExceed(51, 60, MASS_DELETE_WINDOW_MS + 1, limits)).toBe(true);
});

test('after a reset nothing counts', () => {
  const count = new DeletionCount();
  count.add(1_000, 1_000, 0);
  count.reset();
  expect(count.wouldExceed(100, 100, 1, limits)).toBe(false);
});

test('other numbers hold as well', () => {
  const count = new DeletionCount();
  expect(count.wouldExceed(6, 10, 0, { percent: 50, files: 5 })).toBe(true);
  expect(count.wouldExceed(5, 10, 0, { percent: 50, files: 4 })).toBe(false);
  expect(count.wouldExceed(5, 10, 0, { percent: 0, files: 5 })).toBe(false);
});
