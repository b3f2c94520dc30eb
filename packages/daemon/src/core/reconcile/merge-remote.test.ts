import { describe, expect, it } from 'vitest';
import type { FileEntry } from '../model/file-entry.js';
import type { IncarnationId } from '../model/identifiers.js';
import { at, deleted, directory, file, rowOf, symlink, withMetadata } from '../testing/entries.js';
import { type Merge, mergeRemote } from './merge-remote.js';

const NOW = 1_000_000;
const DAY_MS = 24 * 60 * 60 * 1000;
const byB = { by: 'b' };
const found = { found: true };

const X = at(file('x'), { a: 1 }, 10);
const Y = at(file('y'), { a: 1, b: 1 }, 20, byB);
const GONE = at(deleted, { a: 1, b: 1 }, 20, byB);
const GONE_APART = at(deleted, { b: 2 }, 10);
const DIR = at(directory, { a: 1 }, 10);
const LINK = at(symlink('t'), { a: 1 }, 10);
const yApart = (atMs: number) => at(file('y'), { b: 1 }, atMs);
const xApart = (atMs: number) => at(file('x'), { b: 3 }, atMs);
const executable = { executable: true };

type Row = readonly [
  name: string,
  known: FileEntry | undefined,
  remote: FileEntry,
  verdict: Merge['verdict'],
  /** What is known afterwards. */
  after: 'known' | 'remote' | 'neither' | FileEntry,
];

const rows: readonly Row[] = [
  ['a path never heard of', undefined, X, 'adopted', 'remote'],
  ['a deletion of a path never heard of', undefined, GONE, 'adopted', 'remote'],
  ['the same version again', X, { ...X }, 'same', 'known'],
  ['an edit on top of what is known', X, Y, 'adopted', 'remote'],
  ['a deletion on top of what is known', X, GONE, 'adopted', 'remote'],
  ['a version that was edited here since', Y, X, 'older', 'known'],
  ['a version that was deleted here since: no resurrection', GONE, X, 'older', 'known'],
  ['edits apart, the remote one later', X, yApart(20), 'adopted', 'remote'],
  ['edits apart, the remote one earlier', X, yApart(5), 'lost', 'known'],
  ['edits apart in one ms: the incarnation decides', X, yApart(10), 'adopted', 'remote'],
  [
    'one stamp, two contents: the content decides',
    X,
    at(file('w'), { b: 1 }, 10, { by: 'a' }),
    'lost',
    'known',
  ],
  ['an edit later than a deletion apart', GONE_APART, at(file('y'), { a: 5 }, 20), 'adopted', 'remote'],
  [
    'an edit earlier than a deletion apart: edits have no rule of their own',
    GONE_APART,
    at(file('y'), { a: 5 }, 5),
    'lost',
    'known',
  ],
  ['a directory later than a file apart', X, at(directory, { b: 1 }, 20), 'adopted', 'remote'],
  ['a directory earlier than a file apart', X, at(directory, { b: 1 }, 5), 'lost', 'known'],
  ['a symlink later than a file apart', X, at(symlink('t'), { b: 1 }, 20), 'adopted', 'remote'],
  [
    'equal contents apart, the remote one later',
    X,
    xApart(20),
    'joined',
    at(file('x'), { a: 1, b: 3 }, 20, byB),
  ],
  ['equal contents apart, the remote one earlier', X, xApart(5), 'joined', at(file('x'), { a: 1, b: 3 }, 10)],
  [
    'equal contents apart: what they replaced is joined',
    at(file('x'), { a: 1 }, 10, { replaced: ['2', '1'] }),
    at(file('x'), { b: 1 }, 5, { replaced: ['3'] }),
    'joined',
    at(file('x'), { a: 1, b: 1 }, 10, { replaced: ['1', '2', '3'] }),
  ],
  ['a join of what is known', X, at(file('x'), { a: 1, b: 1 }, 10), 'adopted', 'remote'],
  ['part of a join that is known', at(file('x'), { a: 1, b: 1 }, 10), X, 'same', 'known'],
  [
    'two joins of one version',
    at(file('x'), { a: 1, b: 1 }, 10),
    at(file('x'), { a: 1, c: 1 }, 10),
    'joined',
    at(file('x'), { a: 1, b: 1, c: 1 }, 10),
  ],
  ['deletions apart', GONE_APART, at(deleted, { a: 1 }, 5), 'joined', at(deleted, { b: 2, a: 1 }, 10)],
  ['directories made apart', DIR, at(directory, { b: 1 }, 5), 'joined', at(directory, { a: 1, b: 1 }, 10)],
  [
    'symlinks with one target apart',
    LINK,
    at(symlink('t'), { b: 1 }, 5),
    'joined',
    at(symlink('t'), { a: 1, b: 1 }, 10),
  ],
  ['symlinks with two targets apart', LINK, at(symlink('u'), { b: 1 }, 5), 'lost', 'known'],
  [
    'a found version with a later mtime than an authored one',
    X,
    at(file('y'), { b: 1 }, 999, found),
    'lost',
    'known',
  ],
  ['an authored version against a found one', at(file('y'), { b: 1 }, 999, found), X, 'adopted', 'remote'],
  [
    'found versions: the later mtime',
    at(file('x'), { a: 1 }, 10, found),
    at(file('y'), { b: 1 }, 20, found),
    'adopted',
    'remote',
  ],
  [
    'found versions of equal content',
    at(file('x'), { a: 1 }, 10, found),
    at(file('x'), { b: 1 }, 20, found),
    'joined',
    at(file('x'), { a: 1, b: 1 }, 20, { by: 'b', found: true }),
  ],
  [
    'a stamp more than a day ahead',
    X,
    at(file('y'), { a: 1, b: 1 }, NOW + DAY_MS + 1),
    'implausible',
    'neither',
  ],
  ['a stamp just a day ahead', X, at(file('y'), { a: 1, b: 1 }, NOW + DAY_MS), 'adopted', 'remote'],
  [
    'a found file from the future',
    undefined,
    at(file('y'), { b: 1 }, NOW + 9 * DAY_MS, found),
    'adopted',
    'remote',
  ],
  ['metadata more than a day ahead', X, withMetadata(X, NOW + DAY_MS + 1), 'implausible', 'neither'],
  [
    'a dominating vector with a smaller stamp',
    X,
    at(file('y'), { a: 1, b: 1 }, 5, byB),
    'implausible',
    'neither',
  ],
  [
    'a version that was overtaken by one with a smaller stamp',
    at(file('y'), { a: 1, b: 1 }, 5),
    X,
    'adopted',
    'remote',
  ],
  ['later metadata of the same version', X, withMetadata(X, 11, executable), 'same', 'remote'],
  [
    'later metadata of an older version',
    Y,
    withMetadata(X, 30, executable),
    'older',
    { ...Y, metadata: withMetadata(X, 30, executable).metadata },
  ],
  [
    'a touch never beats a deletion',
    GONE,
    withMetadata(X, 30),
    'older',
    { ...GONE, metadata: withMetadata(X, 30).metadata },
  ],
  [
    'an adopted content keeps later metadata from here',
    withMetadata(X, 50, executable),
    Y,
    'adopted',
    { ...Y, metadata: withMetadata(X, 50, executable).metadata },
  ],
];

describe('mergeRemote', () => {
  it.each(rows)('%s', (_name, known, remote, verdict, after) => {
    const merged = mergeRemote(known && rowOf('p', known), remote, { nowMs: NOW });
    expect(merged.verdict).toBe(verdict);
    if (merged.verdict === 'implausible') {
      expect(after).toBe('neither');
      expect(merged.problem.text).toContain(remote.version.author);
    } else {
      expect(merged.entry).toEqual(after === 'known' ? known : after === 'remote' ? remote : after);
    }
  });

  it('names who passed an implausible version on', () => {
    const from = 'PASSER-ON' as FileEntry['version']['author'];
    const merged = mergeRemote(undefined, yApart(NOW + 2 * DAY_MS), { nowMs: NOW, from });
    expect(merged).toMatchObject({
      problem: { code: 'implausible-version', path: 'p', text: expect.stringContaining('PASSER-ON') },
    });
  });

  it('hands back the very entry that is known where nothing changed', () => {
    const merged = mergeRemote(rowOf('p', X), { ...X }, { nowMs: NOW });
    expect(merged.verdict !== 'implausible' && merged.entry).toBe(X);
  });

  it('takes in no version, and makes no join, of more than 256 indexes', () => {
    const vectorFrom = (first: number, count: number) =>
      new Map(
        Array.from({ length: count }, (_, i) => {
          return [(first + i).toString(16).padStart(16, '0') as IncarnationId, 1] as const;
        }),
      );
    const with200 = { ...X, version: { ...X.version, vector: vectorFrom(0, 200) } };
    const withOthers = { ...X, version: { ...X.version, vector: vectorFrom(500, 57) } };
    const with257 = { ...X, version: { ...X.version, vector: vectorFrom(0, 257) } };
    expect(mergeRemote(undefined, with257, { nowMs: NOW }).verdict).toBe('implausible');
    expect(mergeRemote(rowOf('p', with200), withOthers, { nowMs: NOW }).verdict).toBe('implausible');
    expect(mergeRemote(undefined, with200, { nowMs: NOW }).verdict).toBe('adopted');
  });
});
