import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SharedBudget } from '../core/history/shared-budget.js';
import type { FolderId } from '../core/model/identifiers.js';
import type { AreaPath } from '../core/ports/folder-disk.js';
import { asPath } from '../core/testing/entries.js';
import { alterDisk, contentOf, entryOf, makeTestFolder, type TestFolder } from '../folder/folder-fixture.js';
import { MemoryIndex } from '../index/memory-index.js';
import { HistoryRetention } from './history-retention.js';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 0, 31, 12);

let folder: TestFolder;
let index: MemoryIndex;
let pending: { readonly delayMs: number; readonly callback: () => void }[];
let failures: unknown[];
beforeEach(() => {
  folder = makeTestFolder();
  let byte = 0;
  index = new MemoryIndex('f' as FolderId, (count) => new Uint8Array(count).fill(byte++));
  pending = [];
  failures = [];
});
afterEach(() => folder.remove());

const clock = {
  nowMs: () => NOW,
  monotonicMs: () => 0,
  after: (delayMs: number, callback: () => void) => {
    const timer = { delayMs, callback };
    if (delayMs === 0) setImmediate(callback);
    else pending.push(timer);
    return () => {
      pending = pending.filter((each) => each !== timer);
    };
  },
};

function retention(options: { totalBytes?: number; keepDays?: number; budget?: SharedBudget } = {}) {
  const { totalBytes = 1e9, keepDays = 30, budget = new SharedBudget() } = options;
  const freeBytes = async () => ({ ok: true, value: { freeBytes: 0, totalBytes } }) as const;
  return new HistoryRetention({
    index,
    disk: alterDisk(folder.disk, { freeBytes }),
    history: folder.disk.history,
    clock,
    budget,
    limits: () => ({ keepDays, maxPercent: 10 }),
    onFailed: (error) => failures.push(error),
  });
}

const file = (area: string) => join(folder.root, '.landropic', area);

function put(area: string): AreaPath {
  mkdirSync(dirname(file(area)), { recursive: true });
  writeFileSync(file(area), '0123456789');
  return area as AreaPath;
}

function keep(path: string, ageMs: number): string {
  const area = put(`history/${String(9e12 - ageMs).padStart(15, '0')}/${path}`);
  const item = { path: asPath(path), area, displacedAtMs: NOW - ageMs, sizeBytes: 10, hash: undefined };
  index.transact((tx) => tx.addHistory({ ...item, reason: 'replaced', author: undefined }));
  return area;
}

describe('the history of a folder', () => {
  it('loses what grew old, on the disk and in the index', async () => {
    const old = keep('d/f', 31 * DAY);
    const young = keep('d/f', DAY / 2);
    expect(await retention().look()).toBe(1);
    expect([existsSync(file(old)), existsSync(dirname(file(old))), existsSync(file(young))]).toEqual([
      false,
      false,
      true,
    ]);
    expect(index.historyOf(asPath('d/f'), 9).map(({ area }) => area)).toEqual([young]);
  });

  it('loses the oldest of all paths when it takes too much of the disk', async () => {
    const areas = [keep('a', 5 * DAY), keep('b', 4 * DAY), keep('c', 3 * DAY)];
    expect(await retention({ totalBytes: 150 }).look()).toBe(2);
    expect(areas.map((area) => existsSync(file(area)))).toEqual([false, false, true]);
    expect(await retention({ totalBytes: 150 }).look()).toBe(0);
  });

  it('shares the room with the histories of other folders on the disk', async () => {
    const budget = new SharedBudget();
    budget.note('other', String(statSync(folder.root).dev), 20);
    for (const path of ['a', 'b']) keep(path, DAY);
    expect(await retention({ totalBytes: 200, budget }).look()).toBe(1);
  });

  it('keeps what an open intent names, however old and large', async () => {
    const area = keep('f', 31 * DAY);
    const entry = entryOf('f', contentOf('x'));
    index.transact((tx) =>
      tx.addIntent({
        ...{ id: '1', path: asPath('f'), entry, assumed: undefined, temp: undefined, tempInode: undefined },
        ...{ displacedTo: area as AreaPath, copy: undefined, movedFrom: undefined },
      }),
    );
    expect(await retention({ totalBytes: 10, keepDays: 0 }).look()).toBe(0);
    index.transact((tx) => tx.removeIntent('1'));
    expect(await retention({ totalBytes: 10, keepDays: 0 }).look()).toBe(1);
  });

  it('keeps in the index what could not be removed from the disk', async () => {
    keep('f', 31 * DAY);
    mkdirSync(file('history/odd'), { recursive: true });
    index.transact((tx) =>
      tx.addHistory({
        ...{ path: asPath('g'), area: 'history/odd' as AreaPath, displacedAtMs: NOW - 31 * DAY },
        ...{ sizeBytes: 10, hash: undefined, reason: 'replaced', author: undefined },
      }),
    );
    expect(await retention().look()).toBe(1);
    expect(index.historyPaths(9)).toEqual(['g']);
  });

  it('goes through many paths, a part at a time', async () => {
    for (let i = 0; i < 130; i++) keep(`f${i}`, 31 * DAY);
    expect(await retention().look()).toBe(130);
    expect(index.historyPaths(9)).toEqual([]);
    expect(folder.area()).toEqual({ 'history/': '/', 'tmp/': '/' });
  });
});

describe('in the background', () => {
  it('looks a minute after the start, and then every hour, until it is stopped', async () => {
    const area = keep('f', 31 * DAY);
    const running = retention();
    running.start();
    expect(pending.map(({ delayMs }) => delayMs)).toEqual([60_000]);
    pending.splice(0)[0]?.callback();
    await expect.poll(() => pending.map(({ delayMs }) => delayMs)).toEqual([3_600_000]);
    expect(existsSync(file(area))).toBe(false);
    await running.stop();
    expect(pending).toEqual([]);
    expect(failures).toEqual([]);
  });

  it('finds what lay in history before its index was made, once', async () => {
    const found = put('history/20260130-080000-abcdef/d/f');
    const known = keep('g', DAY);
    put('history/not-ours/f');
    for (const _ of [1, 2]) {
      const running = retention();
      running.start();
      pending.splice(0)[0]?.callback();
      await expect.poll(() => pending.length).toBe(1);
      await running.stop();
    }
    expect(index.historyBelow('', 9)).toMatchObject([
      { path: 'g', area: known },
      { path: 'd/f', area: found, displacedAtMs: Date.UTC(2026, 0, 30, 8), reason: 'deleted' },
    ]);
  });
});
