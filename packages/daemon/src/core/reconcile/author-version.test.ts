import { describe, expect, it } from 'vitest';
import type { DeviceKey } from '../model/identifiers.js';
import { compareStamps } from '../model/stamp.js';
import {
  asPath,
  at,
  deleted,
  directory,
  file,
  hashOf,
  heldOf,
  incarnationOf,
  rowOf,
  stampOf,
  vectorOf,
  withMetadata,
} from '../testing/entries.js';
import { type Authoring, authorMetadata, authorVersion } from './author-version.js';

const X = at(file('x'), { b: 3 }, 100, { replaced: ['w', 'v'] });
const metadata = { mtimeNs: 5_000_000n, executable: true, mode: 0o755 };

function author(change: Partial<Authoring>): ReturnType<typeof authorVersion> {
  return authorVersion({
    path: asPath('p'),
    row: undefined,
    content: file('new'),
    metadata,
    incarnation: incarnationOf('a'),
    sequence: 7,
    nowMs: 50,
    author: 'A-REST' as DeviceKey,
    found: false,
    ...change,
  });
}

describe('authorVersion', () => {
  it('begins a history', () => {
    const { version, metadata: stamped } = author({});
    expect(version).toEqual({
      content: file('new'),
      vector: vectorOf({ a: 7 }),
      stamp: stampOf(50),
      replaced: [],
      author: 'A-REST',
    });
    expect(stamped).toEqual({ ...metadata, stamp: stampOf(50) });
  });

  it('extends the history of what was held, later than it by any clock', () => {
    const { version } = author({ row: rowOf('p', X, heldOf(X)) });
    expect(version.vector).toEqual(vectorOf({ b: 3, a: 7 }));
    expect(version.stamp).toMatchObject({ physicalMs: 100, counter: 1 });
    expect(version.replaced).toEqual(['x', 'w', 'v'].map(hashOf));
  });

  it('has not seen what was known and never stood here, but is later than that, too', () => {
    const known = at(file('y'), { c: 9 }, 500);
    const { version } = author({ row: rowOf('p', known, heldOf(X)) });
    expect(version.vector).toEqual(vectorOf({ b: 3, a: 7 }));
    expect(compareStamps(version.stamp, known.version.stamp)).toBeGreaterThan(0);
  });

  it('is later than metadata that is known', () => {
    const known = withMetadata(X, 900);
    expect(author({ row: rowOf('p', known, heldOf(X)) }).metadata.stamp.physicalMs).toBe(900);
  });

  it('deletes with the last metadata that is known', () => {
    const known = withMetadata(X, 90, { mtimeNs: 1n });
    const held = heldOf(withMetadata(X, 95, { mtimeNs: 2n }));
    const gone = author({ content: deleted, row: rowOf('p', known, held) });
    expect(gone.metadata).toEqual(held.metadata);
    expect(gone.version.replaced[0]).toBe(hashOf('x'));
  });

  it('keeps the hashes of eight contents, newest first, and not its own', () => {
    const many = at(file('x'), { b: 3 }, 1, { replaced: ['1', '2', '3', '4', '5', '6', '7', '8'] });
    const row = rowOf('p', many, heldOf(many));
    expect(author({ row }).version.replaced).toEqual(['x', '1', '2', '3', '4', '5', '6', '7'].map(hashOf));
    const back = author({ row, content: file('3') }).version.replaced;
    expect(back).toEqual(['x', '1', '2', '4', '5', '6', '7', '8'].map(hashOf));
  });

  it('keeps what a file had replaced when a directory takes its place', () => {
    const made = author({ content: directory, row: rowOf('p', X, heldOf(X)) });
    expect(made.version.replaced).toEqual(['x', 'w', 'v'].map(hashOf));
  });

  it.each([
    [5_999_999n, 5],
    [0n, 0],
    [-1n, -1],
    [-1_000_000n, -1],
    [-1_000_001n, -2],
  ])('stamps what it found at %d ns with %d ms', (mtimeNs, physicalMs) => {
    const found = author({ found: true, metadata: { mtimeNs, executable: false } });
    const stamp = { found: true, physicalMs, counter: 0, incarnation: incarnationOf('a') };
    expect(found.version.stamp).toEqual(stamp);
    expect(found.metadata).toEqual({ mtimeNs, executable: false, stamp });
  });
});

describe('authorMetadata', () => {
  it('is later than all metadata that is known', () => {
    const row = rowOf('p', withMetadata(X, 700), heldOf(withMetadata(X, 800)));
    const made = authorMetadata({ row, metadata, incarnation: incarnationOf('a'), nowMs: 50 });
    expect(made).toEqual({ ...metadata, stamp: { ...stampOf(800), counter: 1 } });
  });
});
