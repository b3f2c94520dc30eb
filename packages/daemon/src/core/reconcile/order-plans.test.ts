import { describe, expect, it } from 'vitest';
import type { Content, FileEntry } from '../model/file-entry.js';
import { deleted, directory, entryOf, fakeBlake3, file, heldOf, rowOf, symlink } from '../testing/entries.js';
import { findMoves, type PlannedPath } from './find-moves.js';
import { orderPlans } from './order-plans.js';
import { planPath } from './plan-path.js';

/** A change that had seen what stands there, or has not. */
function change(path: string, from: Content | undefined, to: Content, seen = true): PlannedPath {
  const before = from && entryOf(path, { content: from, vector: { a: 1 }, at: 1 });
  const after: FileEntry = entryOf(path, {
    content: to,
    vector: seen ? { a: 1, b: 1 } : { b: 1 },
    at: 2,
    by: 'b',
  });
  const row = rowOf(path, after, before && heldOf(before));
  return { row, plan: planPath(row, { hasLiveBelow: false, blake3: fakeBlake3, knownAt: () => undefined }) };
}

const remove = (path: string, content: Content) => change(path, content, deleted);
const make = (path: string, content: Content) => change(path, undefined, content);

describe('orderPlans', () => {
  it('makes parents first, removes children first, and replaces directories when they are empty', () => {
    const planned = [
      remove('old/sub', directory),
      remove('old', directory),
      make('new/sub/f', file('f')),
      make('new/sub', directory),
      remove('old/sub/f', file('g')),
      make('new', directory),
      change('was-dir', directory, file('h')),
      remove('was-dir/child', directory),
      remove('was-dir/child/f', file('i')),
      change('was-file', file('j'), directory),
      make('was-file/child', symlink('t')),
    ];
    expect(orderPlans(planned).map(({ row }) => row.path)).toEqual([
      'old/sub/f',
      'was-dir/child/f',
      'new',
      'was-file',
      'new/sub',
      'was-file/child',
      'new/sub/f',
      'old/sub',
      'was-dir/child',
      'old',
      'was-dir',
    ]);
  });

  it('sets the mode of a directory when what is below it is done', () => {
    const before = entryOf('d', { content: directory, vector: { a: 1 }, at: 1 });
    const after = { ...before, metadata: { ...before.metadata, mode: 0o555, executable: true } };
    const row = rowOf('d', after, heldOf(before));
    const locked = {
      row,
      plan: planPath(row, { hasLiveBelow: true, blake3: fakeBlake3, knownAt: () => undefined }),
    };
    const ordered = orderPlans([locked, make('d/f', file('f')), remove('d/e', directory)]);
    expect(ordered.map((item) => item.row.path)).toEqual(['d/f', 'd/e', 'd']);
  });
});

describe('findMoves', () => {
  const paired = (planned: PlannedPath[]) =>
    findMoves(planned).moves.map((move) => [move.from, move.to.row.path]);

  it('pairs a removal with a placement of the same content', () => {
    const planned = [make('new', file('x')), make('other', file('y')), remove('old', file('x'))];
    const { moves, others } = findMoves(planned);
    expect(moves).toMatchObject([{ from: 'old', to: { row: { path: 'new' } } }]);
    expect(moves[0]?.fromEntry.version.content).toEqual(deleted);
    expect(moves[0]?.fromHeld).toBe(planned[2]?.row.held);
    expect(others).toEqual([planned[1]]);
  });

  it('prefers the same name, and uses each path once', () => {
    const planned = [
      make('new/b', file('x')),
      make('new/a', file('x')),
      make('new/c', file('x')),
      remove('old/a', file('x')),
      remove('old/b', file('x')),
    ];
    expect(paired(planned).sort()).toEqual([
      ['old/a', 'new/a'],
      ['old/b', 'new/b'],
    ]);
  });

  it.each<[string, PlannedPath[]]>([
    ['an empty file', [make('new', file('')), remove('old', file(''))]],
    [
      'a removal that leaves a conflict copy',
      [make('new', file('x')), change('old', file('x'), deleted, false)],
    ],
    ['a path that something else takes', [make('new', file('x')), change('old', file('x'), file('y'))]],
    ['a place where a directory stands', [change('new', directory, file('x')), remove('old', file('x'))]],
    ['a symlink', [make('new', symlink('x')), remove('old', symlink('x'))]],
  ])('leaves %s alone', (_name, planned) => {
    expect(findMoves(planned)).toEqual({ moves: [], others: planned });
  });

  it('is quick for ten thousand files of one content', () => {
    const planned = Array.from({ length: 10_000 }, (_, i) => [
      make(`new/${i}`, file('x')),
      remove(`old/${i}`, file('x')),
    ]).flat();
    const started = performance.now();
    expect(findMoves(planned).moves.length).toBe(10_000);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
