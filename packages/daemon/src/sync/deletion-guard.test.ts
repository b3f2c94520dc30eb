import { beforeEach, describe, expect, test } from 'vitest';
import type { MassDeleteLimits } from '../core/guards/mass-delete.js';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import { compareVectors } from '../core/model/version-vector.js';
import type { Held } from '../core/ports/content-index.js';
import type { Difference } from '../core/ports/scanner.js';
import { asPath, deleted, entryOf, file, heldOf } from '../core/testing/entries.js';
import { MemoryIndex } from '../index/memory-index.js';
import { DeletionGuard } from './deletion-guard.js';

const here = 'A' as DeviceKey;
const FILES = 10;
const nameOf = (i: number): RelativePath => asPath(`f${i}`);
const names = (count: number): RelativePath[] => Array.from({ length: count }, (_, i) => nameOf(i));

let index: MemoryIndex;
let nowMs: number;
let limits: MassDeleteLimits | undefined;
let heldBack: RelativePath[];

/** Ten files stand, of which four may go: more than three and more than 30 %. */
beforeEach(() => {
  let byte = 1;
  index = new MemoryIndex('f' as FolderId, (count) => new Uint8Array(count).fill(byte++));
  index.transact((tx) => {
    for (const path of names(FILES)) {
      const known = entryOf(path, { content: file(path), vector: { a: tx.nextSequence() }, at: 1 });
      const row = { path, sequence: index.identity().sequence, source: undefined, conflictOf: undefined };
      tx.put({ ...row, known, held: inodesApart(heldOf(known), path) });
    }
  });
  nowMs = 1_000;
  limits = { percent: 30, files: 3 };
  heldBack = [];
});

const inodesApart = (held: Held, path: string): Held => ({
  ...held,
  stat: { ...held.stat, inode: BigInt(path.slice(1)) + 100n },
});

function newGuard(): DeletionGuard {
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {} };
  const onHeldBack = (path: RelativePath) => heldBack.push(path);
  return new DeletionGuard({ index, clock, device: here, limits: () => limits, onHeldBack });
}

function absent(path: RelativePath): Difference {
  return { kind: 'absent', path, held: index.get(path)?.held as Held };
}

/** Looks through everything, finds these gone, and says what of it is to be authored. */
function scan(guard: DeletionGuard, gone: readonly RelativePath[], more: readonly Difference[] = []) {
  guard.beginScan();
  const admitted = guard.admit([...gone.map(absent), ...more]);
  guard.endScan('everything', new Set());
  return admitted.map(({ path }) => path);
}

/** A peer's entries come, as they are stored. */
function receive(guard: DeletionGuard, entries: readonly ReturnType<typeof entryOf>[]): void {
  index.transact((tx) => {
    const adopted = entries.map((entry) => {
      const before = tx.get(entry.path);
      const row = before ?? { path: entry.path, held: undefined, conflictOf: undefined };
      tx.put({ ...row, sequence: tx.nextSequence(), known: entry, source: 'B' as DeviceKey });
      return { before, entry };
    });
    guard.received(adopted, tx);
  });
}

const deletionOf = (path: RelativePath) =>
  entryOf(path, { content: deleted, vector: { a: 99, b: 1 }, at: 50, by: 'b' });

describe('what is gone here', () => {
  test('is authored up to the limit, and nothing of it beyond', () => {
    const guard = newGuard();
    expect(scan(guard, names(3))).toEqual(names(3));
    expect(guard.isHolding).toBe(false);
    expect(scan(guard, [nameOf(5)])).toEqual([]);
    expect(guard.held()).toEqual({ files: 1, paths: [nameOf(5)], devices: [here] });
  });

  test('goes on being held over a restart, and is known again once the folder was looked at', () => {
    expect(scan(newGuard(), names(6))).toEqual([]);
    const again = newGuard();
    expect(again.isHolding).toBe(true);
    // One alone would be no mass; while the folder is held it is held too.
    expect(scan(again, names(1))).toEqual([]);
    expect(again.held()?.files).toBe(1);
  });

  test('is authored once approved, and after that it takes as many again', () => {
    const guard = newGuard();
    scan(guard, names(6));
    guard.approve();
    expect(guard.isHolding).toBe(false);
    expect(index.problems(1)).toEqual([]);
    expect(scan(guard, names(6))).toEqual(names(6));
    expect(guard.isHolding).toBe(false);
    expect(scan(guard, names(10).slice(6))).toEqual([]);
  });

  test('is wanted again once refused', () => {
    const guard = newGuard();
    scan(guard, names(6));
    expect(guard.refuse().wanted).toEqual(names(6));
    expect(index.needed(100).map(({ path }) => path)).toEqual(names(6));
    expect(guard.isHolding).toBe(false);
  });

  test('holds nothing any more when it is there again', () => {
    const guard = newGuard();
    scan(guard, names(6));
    guard.beginScan();
    guard.endScan('directories', new Set(['elsewhere']));
    expect(guard.isHolding).toBe(true);
    guard.beginScan();
    guard.endScan('directories', new Set(['']));
    expect(guard.isHolding).toBe(false);
  });

  test('does not count where the same file has come under another name, or is deleted elsewhere too', () => {
    const guard = newGuard();
    const moved = names(6).map((path): Difference => {
      const { held } = absent(path) as Extract<Difference, { kind: 'absent' }>;
      return {
        kind: 'present',
        path: asPath(`new-${path}`),
        stat: held.stat,
        target: undefined,
        held: undefined,
      };
    });
    expect(scan(guard, names(6), moved)).toHaveLength(12);
    limits = undefined;
    receive(guard, names(6).map(deletionOf));
    limits = { percent: 30, files: 3 };
    expect(scan(guard, names(6))).toEqual(names(6));
  });

  test('is never held where that is turned off', () => {
    limits = undefined;
    expect(scan(newGuard(), names(10))).toEqual(names(10));
  });
});

describe('what a peer has deleted', () => {
  test('is held beyond the limit, said to be, and shown with who did it, also after a restart', () => {
    const guard = newGuard();
    receive(guard, names(3).map(deletionOf));
    expect(guard.isHolding).toBe(false);
    receive(guard, [nameOf(3), nameOf(4)].map(deletionOf));
    expect(guard.isHolding).toBe(true);
    expect(heldBack).toEqual([nameOf(3), nameOf(4)]);
    expect(guard.held()).toMatchObject({ files: 5, devices: [deletionOf(nameOf(0)).version.author] });
    heldBack = [];
    expect(newGuard().held()?.files).toBe(5);
    expect(heldBack).toEqual(names(5));
  });

  test('is not held where the contents have come under other names', () => {
    const guard = newGuard();
    receive(
      guard,
      names(6).flatMap((path) => [
        entryOf(`new-${path}`, { content: file(path), vector: { b: 1 }, at: 9 }),
        deletionOf(path),
      ]),
    );
    expect(guard.isHolding).toBe(false);
  });

  test('one content under a new name makes up for one deletion alone', () => {
    index.transact((tx) => {
      for (const path of names(6)) {
        const row = tx.get(path);
        if (row?.held === undefined) continue;
        const version = { ...row.held.version, content: file('same') };
        tx.put({ ...row, held: { ...row.held, version } });
      }
    });
    const guard = newGuard();
    const copy = entryOf('copy', { content: file('same'), vector: { b: 1 }, at: 9 });
    receive(guard, [copy, ...names(6).map(deletionOf)]);
    expect(guard.isHolding).toBe(true);
  });

  test('is authored again once refused, by a version that has seen the deletion', () => {
    const guard = newGuard();
    receive(guard, names(6).map(deletionOf));
    const { kept } = guard.refuse();
    expect(kept).toEqual(names(6));
    for (const path of names(6)) {
      const row = index.get(path);
      expect(row?.known?.version).toMatchObject({ content: file(path), author: here });
      expect(row?.source).toBeUndefined();
      const vector = row?.known?.version.vector ?? new Map();
      expect(compareVectors(vector, deletionOf(path).version.vector)).toBe('after');
    }
    expect(index.needed(10)).toEqual([]);
    expect(guard.isHolding).toBe(false);
  });

  test('is done once approved', () => {
    const guard = newGuard();
    receive(guard, names(6).map(deletionOf));
    guard.approve();
    expect(guard.isHolding).toBe(false);
    expect(guard.held()).toBeUndefined();
  });
});
