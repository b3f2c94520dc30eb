import { expect, test } from 'vitest';
import type { AreaPath, FileStat } from '../ports/folder-disk.js';
import { describeFound } from './found-history.js';

const stat = { type: 'file', sizeBytes: 7 } as FileStat;
const found = (area: string, type: FileStat['type'] = 'file', stands = false) =>
  describeFound({ area: area as AreaPath, stat: { ...stat, type } }, () => stands);

test('a file of history says by its place when it was displaced, and from where', () => {
  expect(found('history/20260131-142530-a1b2c3/d/e f.txt')).toEqual({
    path: 'd/e f.txt',
    area: 'history/20260131-142530-a1b2c3/d/e f.txt',
    displacedAtMs: Date.UTC(2026, 0, 31, 14, 25, 30),
    sizeBytes: 7,
    hash: undefined,
    reason: 'deleted',
    author: undefined,
  });
  expect(found('history/20260131-142530-a1b2c3/f', 'symlink', true)).toMatchObject({ reason: 'replaced' });
});

test.each(['history/mine/f', 'history/20260131-142530-a1b2c3', 'tmp/20260131-142530-a/f'])(
  '%s is no file of ours',
  (area) => expect(found(area)).toBeUndefined(),
);

test('neither is anything but files and symlinks', () => {
  expect(found('history/20260131-142530-a1b2c3/f', 'other')).toBeUndefined();
});
