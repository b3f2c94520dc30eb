import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FolderId } from '../model/identifiers.js';
import { HotFolders } from './hot-folders.js';

const f = 'f' as FolderId;

/** Runs at so many updates per second, in steps of 100 ms, and tells the moves with their times. */
function run(hot: HotFolders, perSecond: number, fromMs: number, toMs: number, folder = f): string[] {
  const moves: string[] = [];
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 100) {
    hot.updated(folder, perSecond / 10, nowMs);
    const move = hot.decide(folder, nowMs);
    if (move !== undefined) moves.push(`${move} ${Math.floor(nowMs / 1000)}`);
  }
  return moves;
}

describe('HotFolders', () => {
  it('promotes above 100 updates/s, and not at 100', () => {
    expect(run(new HotFolders(), 100, 0, 200_000)).toEqual([]);
    const hot = new HotFolders();
    expect(run(hot, 110, 0, 200_000)).toEqual(['promote 2']);
    expect(hot.isHot(f)).toBe(true);
  });

  it('demotes below 20 updates/s after 60 s of it, and not at 20', () => {
    const hot = new HotFolders();
    run(hot, 200, 0, 10_000);
    expect(run(hot, 20, 10_000, 300_000)).toEqual([]);
    const moves = run(hot, 10, 300_000, 400_000);
    expect(moves).toHaveLength(1);
    expect(moves[0]).toMatch(/^demote 36[0-4]$/);
  });

  it('begins to count anew after a moment that was not quiet', () => {
    const hot = new HotFolders();
    run(hot, 200, 0, 5_000);
    expect(run(hot, 0, 5_000, 60_000)).toEqual([]);
    expect(run(hot, 50, 60_000, 62_000)).toEqual([]);
    expect(run(hot, 0, 62_000, 120_000)).toEqual([]);
    expect(run(hot, 0, 120_000, 130_000)).toHaveLength(1);
  });

  it('takes no short burst for a hot folder', () => {
    const hot = new HotFolders();
    hot.updated(f, 250, 0);
    expect(hot.decide(f, 0)).toBeUndefined();
  });

  it('has at most 48 hot folders, and gives a place that becomes free to another', () => {
    const hot = new HotFolders();
    const folders = Array.from({ length: 60 }, (_, i) => `folder-${i}` as FolderId);
    for (let nowMs = 0; nowMs < 10_000; nowMs += 1_000) {
      for (const folder of folders) {
        hot.updated(folder, 1_000, nowMs);
        hot.decide(folder, nowMs);
      }
    }
    expect(hot.size).toBe(48);
    hot.forget(folders[0] as FolderId);
    expect(hot.size).toBe(47);
    hot.updated(folders[59] as FolderId, 1_000, 10_000);
    expect(hot.decide(folders[59] as FolderId, 10_000)).toBe('promote');
  });

  it('keeps its rules, whatever happens', () => {
    const step = fc.record({
      folder: fc.nat(5).map((n) => `f${n}` as FolderId),
      count: fc.oneof(fc.nat(30), fc.nat(2_000)),
      afterMs: fc.oneof(fc.nat(1_000), fc.nat(90_000)),
      forgets: fc.nat(20).map((n) => n === 0),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const hot = new HotFolders({ maxHot: 3 });
        const movedMs = new Map<FolderId, number>();
        const isHot = new Set<FolderId>();
        const updates: { folder: FolderId; atMs: number; count: number }[] = [];
        let nowMs = 0;
        for (const { folder, count, afterMs, forgets } of steps) {
          nowMs += afterMs;
          if (forgets) {
            hot.forget(folder);
            movedMs.delete(folder);
            isHot.delete(folder);
            continue;
          }
          hot.updated(folder, count, nowMs);
          updates.push({ folder, atMs: nowMs, count });
          const move = hot.decide(folder, nowMs);
          if (move === undefined) continue;
          expect(nowMs - (movedMs.get(folder) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(60_000);
          movedMs.set(folder, nowMs);
          expect(isHot.has(folder)).toBe(move === 'demote');
          if (move === 'promote') {
            isHot.add(folder);
            const recent = updates.filter((each) => each.folder === folder && nowMs - each.atMs < 4_000);
            expect(recent.reduce((sum, each) => sum + each.count, 0)).toBeGreaterThan(300);
          } else isHot.delete(folder);
          expect(hot.isHot(folder)).toBe(isHot.has(folder));
          expect(hot.size).toBe(isHot.size);
          expect(hot.size).toBeLessThanOrEqual(3);
        }
      }),
      { numRuns: 300 },
    );
  });
});
