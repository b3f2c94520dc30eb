import { expect, test } from 'vitest';
import { isSpaceLow } from './disk-space.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

test.each([
  ['1 % of a small disk', 100 * MIB, MIB],
  ['1 % of 20 GiB', 20 * GIB, 0.2 * GIB],
  ['1 GiB of a larger one', 21 * GIB, GIB],
  ['1 GiB of a very large one', 10_000 * GIB, GIB],
])('%s is left free', (_what, totalBytes, floorBytes) => {
  expect(isSpaceLow({ totalBytes, freeBytes: floorBytes }, false)).toBe(false);
  expect(isSpaceLow({ totalBytes, freeBytes: floorBytes - 1 }, false)).toBe(true);
});

test('once it was low it takes a tenth more to go on', () => {
  expect(isSpaceLow({ totalBytes: 100 * MIB, freeBytes: 1.05 * MIB }, false)).toBe(false);
  expect(isSpaceLow({ totalBytes: 100 * MIB, freeBytes: 1.05 * MIB }, true)).toBe(true);
  expect(isSpaceLow({ totalBytes: 100 * MIB, freeBytes: 1.11 * MIB }, true)).toBe(false);
});

test('a file system that does not tell its size is not judged', () => {
  expect(isSpaceLow({ totalBytes: 0, freeBytes: 0 }, false)).toBe(false);
});
