import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import { parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { ApplyTask } from '../core/ports/applier.js';
import type { Clock } from '../core/ports/clock.js';
import { asPath, deleted, directory } from '../core/testing/entries.js';
import { FolderApplier } from '../folder/applier.js';
import { contentOf, entryOf, makeTestFolder, type TestFolder } from '../folder/folder-fixture.js';
import { MemoryIndex } from '../index/memory-index.js';
import { commitRecovered } from './apply-commit.js';
import { type LocalEdit, LocalEdits } from './local-edits.js';
import { PathLocks } from './path-locks.js';

const device = 'HERE' as DeviceKey;
const NOW = 1_800_000_000_000;
const signal = new AbortController().signal;

/** A real folder and an index, without anything that watches or exchanges. */
class Rig {
  readonly folder: TestFolder = makeTestFolder();
  readonly index: MemoryIndex;
  readonly locks = new PathLocks(() => {});
  readonly scanned: string[] = [];
  readonly behind: string[] = [];
  authored = 0;
  onScan: () => void = () => {};
  private chance = 0;
  readonly randomBytes = (count: number) => {
    this.chance++;
    return Uint8Array.from({ length: count }, (_, i) => (this.chance >>> (8 * (i % 4))) & 0xff);
  };
  readonly clock: Clock = {
    nowMs: () => NOW,
    monotonicMs: () => performance.now(),
    after: (_delayMs, callback) => {
      const timer = setImmediate(callback);
      return () => clearImmediate(timer);
    },
  };
  readonly applier: FolderApplier;

  constructor() {
    this.index = new MemoryIndex('f' as FolderId, this.randomBytes);
    const { clock, randomBytes } = this;
    this.applier = new FolderApplier({ disk: this.folder.disk, log: this.index, clock, randomBytes });
  }

  edits(apply = (tasks: readonly ApplyTask[]) => this.applier.apply(tasks)): LocalEdits {
    return new LocalEdits({
      index: this.index,
      applier: { apply },
      locks: this.locks,
      clock: this.clock,
      device,
      scan: async (directories) => {
        this.scanned.push(...directories);
        this.onScan();
      },
      onAuthored: () => this.authored++,
      onSuperseded: () => {},
      onBehind: (paths) => this.behind.push(...paths),
    });
  }

  /** Stands on the disk, held and known. */
  async hold(path: string, text: string): Promise<void> {
    this.folder.write(path, text);
    for (let each = parentOf(asPath(path)); each !== ''; each = parentOf(each)) await this.put(each);
    await this.put(asPath(path), text);
  }

  private async put(path: RelativePath, text?: string): Promise<void> {
    const stat = await this.folder.stat(path);
    const known = entryOf(path, text === undefined ? directory : contentOf(text));
    const held = { version: known.version, metadata: known.metadata, stat, racy: false };
    this.index.transact((tx) =>
      tx.put({ path, sequence: tx.nextSequence(), known, held, source: undefined, conflictOf: undefined }),
    );
  }
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.folder.remove());

const write = (path: string, text: string): LocalEdit => ({
  path: asPath(path),
  content: contentOf(text),
  metadata: { mtimeNs: 1_600_000_000_000_000_000n, executable: false, mode: 0o640 },
  action: { kind: 'file', from: { kind: 'bytes', bytes: Buffer.from(text) } },
});
const remove = (path: string): LocalEdit => ({
  path: asPath(path),
  content: deleted,
  metadata: { mtimeNs: 0n, executable: false },
  action: { kind: 'remove' },
});

describe('an edit that a command makes', () => {
  it('replaces what stood there, which goes to history, and is authored on top of it', async () => {
    await rig.hold('d/f', 'old');
    const before = rig.index.get(asPath('d/f'));
    const outcome = await rig.edits().perform(write('d/f', 'new'), signal);
    expect(outcome).toMatchObject({
      outcome: 'done',
      displaced: { path: 'd/f', reason: 'replaced', author: device },
    });
    expect(rig.folder.read('d/f')).toBe('new');
    const [item] = rig.index.historyOf(asPath('d/f'), 9);
    expect(rig.folder.area()[item?.area ?? '']).toBe('old');
    const row = rig.index.get(asPath('d/f'));
    expect(row?.known?.version.replaced).toEqual([contentOf('old').hash]);
    expect(row?.known?.version.vector.size).toBeGreaterThan(before?.known?.version.vector.size ?? 9);
    expect(row?.held?.version).toBe(row?.known?.version);
    expect(row?.held?.stat).toEqual(await rig.folder.stat('d/f'));
    expect(row?.sequence).toBeGreaterThan(before?.sequence ?? 99);
    expect(rig.index.intents()).toEqual([]);
    expect([rig.authored, rig.locks.has(asPath('d/f'))]).toEqual([1, false]);
    expect(rig.scanned).toEqual(['d']);
  });

  it('deletes into history', async () => {
    await rig.hold('f', 'old');
    expect(await rig.edits().perform(remove('f'), signal)).toMatchObject({ outcome: 'done' });
    expect(rig.folder.exists('f')).toBe(false);
    expect(rig.index.get(asPath('f'))).toMatchObject({
      held: undefined,
      known: { version: { content: { type: 'deleted' } } },
    });
    expect(rig.index.historyOf(asPath('f'), 9)).toMatchObject([{ reason: 'deleted' }]);
  });

  it('brings the directories above back', async () => {
    expect(await rig.edits().perform(write('a/b/f', 'x'), signal)).toMatchObject({ outcome: 'done' });
    expect(rig.folder.read('a/b/f')).toBe('x');
    for (const path of ['a', 'a/b']) {
      expect(rig.index.get(asPath(path))?.known?.version.content).toEqual(directory);
    }
  });

  it('overwrites nothing that nobody knew of, and comes on top of it once it is known', async () => {
    await rig.hold('f', 'old');
    rig.folder.write('f', 'edited unseen');
    const stale = await rig.edits().perform(write('f', 'new'), signal);
    expect(stale).toMatchObject({ outcome: 'failed', problem: { code: 'keeps-changing' } });
    expect(rig.folder.read('f')).toBe('edited unseen');
    expect(rig.index.intents()).toEqual([]);
    // Here the scan finds it.
    let scans = 0;
    const stat = await rig.folder.stat('f');
    rig.onScan = () => {
      if (++scans < 2) return;
      const row = rig.index.get(asPath('f'));
      if (row?.held === undefined) return;
      const held = { ...row.held, stat };
      rig.index.transact((tx) => tx.put({ ...row, held }));
    };
    expect(await rig.edits().perform(write('f', 'new'), signal)).toMatchObject({ outcome: 'done' });
    const [item] = rig.index.historyOf(asPath('f'), 1);
    expect(rig.folder.area()[item?.area ?? '']).toBe('edited unseen');
  });

  it('leaves directories and files in its way alone', async () => {
    await rig.hold('d/f', 'x');
    expect(await rig.edits().perform(write('d', 'x'), signal)).toMatchObject({ outcome: 'failed' });
    expect(await rig.edits().perform(write('d/f/g', 'x'), signal)).toMatchObject({ outcome: 'failed' });
    expect(rig.folder.tree()).toEqual({ 'd/': '/', 'd/f': 'x' });
  });

  it('waits for whoever is at the path', async () => {
    rig.locks.tryLock(asPath('f'));
    const performed = rig.edits().perform(write('f', 'x'), signal);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(rig.folder.exists('f')).toBe(false);
    rig.locks.unlock([asPath('f')]);
    expect(await performed).toMatchObject({ outcome: 'done' });
  });

  it('yields to a newer version that came meanwhile, and has it brought here', async () => {
    await rig.hold('f', 'old');
    const newer = entryOf('f', contentOf('from afar'));
    const stamp = { ...newer.version.stamp, physicalMs: NOW + 10_000 };
    const edits = rig.edits(async (tasks) => {
      const outcomes = await rig.applier.apply(tasks);
      rig.index.transact((tx) => {
        const row = tx.get(asPath('f'));
        const known = { ...newer, version: { ...newer.version, stamp } };
        if (row !== undefined) tx.put({ ...row, known, source: 'AFAR' as DeviceKey });
      });
      return outcomes;
    });
    expect(await edits.perform(write('f', 'new'), signal)).toMatchObject({ outcome: 'done' });
    const row = rig.index.get(asPath('f'));
    expect(row).toMatchObject({ source: 'AFAR', known: { version: { stamp } } });
    expect(row?.held?.version.content).toEqual(contentOf('new'));
    expect(rig.behind).toEqual(['f']);
  });

  it('says when the content is gone, and when the disk refuses', async () => {
    const gone: LocalEdit = { ...write('f', 'x'), action: { kind: 'file', from: { kind: 'partial' } } };
    expect(await rig.edits().perform(gone, signal)).toEqual({ outcome: 'source-gone' });
    if (process.getuid?.() === 0) return;
    mkdirSync(join(rig.folder.root, 'closed'));
    await rig.hold('closed/f', 'x');
    chmodSync(join(rig.folder.root, 'closed'), 0o500);
    expect(await rig.edits().perform(write('closed/f', 'y'), signal)).toMatchObject({ outcome: 'failed' });
    chmodSync(join(rig.folder.root, 'closed'), 0o700);
  });

  it('is known after a crash that came before it was stored', async () => {
    await rig.hold('f', 'old');
    const crash = rig.edits(async (tasks) => {
      await rig.applier.apply(tasks);
      throw new Error('crash');
    });
    await expect(crash.perform(write('f', 'new'), signal)).rejects.toThrow('crash');
    const sequence = rig.index.identity().sequence;
    commitRecovered(await rig.applier.recover(), { index: rig.index, nowMs: NOW });
    const row = rig.index.get(asPath('f'));
    expect(row?.known?.version.content).toEqual(contentOf('new'));
    expect(row?.held?.version).toEqual(row?.known?.version);
    expect(row?.sequence).toBeGreaterThan(sequence);
    expect(rig.index.historyOf(asPath('f'), 9)).toHaveLength(1);
  });
});
