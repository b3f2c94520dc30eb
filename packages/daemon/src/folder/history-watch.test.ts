import { appendFileSync, closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Clock } from '../core/ports/clock.js';
import type { AreaPath } from '../core/ports/folder-disk.js';
import { TestIntents } from './applier-fixture.js';
import { makeTestFolder, type TestFolder } from './folder-fixture.js';
import { HistoryWatch } from './history-watch.js';

/** Time that moves when the test says so. */
class ManualClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; callback: () => void }[] = [];

  nowMs = () => 1_700_000_000_000 + this.#nowMs;
  monotonicMs = () => this.#nowMs;

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get pending(): number {
    return this.#timers.length;
  }

  advance(byMs: number): void {
    this.#nowMs += byMs;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => !due.includes(timer));
    for (const { callback } of due) callback();
  }
}

let folder: TestFolder;
let clock: ManualClock;
let rescued: string[];
let onRescued: () => void;
let watch: HistoryWatch;

beforeEach(() => {
  folder = makeTestFolder();
  clock = new ManualClock();
  rescued = [];
  onRescued = () => undefined;
  watch = new HistoryWatch(
    { disk: folder.disk, clock, randomBytes: new TestIntents().chance().randomBytes },
    {
      settleMs: 1000,
      onRescued: (path) => {
        rescued.push(path);
        onRescued();
      },
    },
  );
});

afterEach(async () => {
  await watch.stop();
  await folder.remove();
});

/** Displaces a file while a program has it open, and returns that program's way to write to it. */
async function displace(path: string): Promise<{ write: (text: string) => void; area: string }> {
  folder.write(path, 'old');
  const fd = openSync(join(folder.root, path), 'a');
  const area = `history/${path}` as AreaPath;
  const [results] = await folder.disk.run([
    [{ op: 'rename', from: { entry: path as RelativePath }, to: { area } }],
  ]);
  const result = results?.[0];
  if (result?.ok !== true || result.stat === undefined) throw new Error('not displaced');
  watch.add({ path: path as RelativePath, area, stat: result.stat });
  return {
    write: (text) => {
      writeSync(fd, text);
      closeSync(fd);
    },
    area: join(folder.root, '.landropic', area),
  };
}

describe('a file in history', () => {
  it('comes back under a conflict name when a program wrote to it', async () => {
    const editor = await displace('note.txt');
    const untouched = await displace('other');
    editor.write(' and new');
    const isRescued = new Promise<void>((resolve) => {
      onRescued = resolve;
    });
    clock.advance(1000);
    await isRescued;
    expect(rescued).toEqual([expect.stringMatching(/^note\.sync-conflict-.*\.txt$/)]);
    expect(Object.entries(folder.tree())).toEqual([[rescued[0], 'old and new']]);
    expect(existsSync(editor.area)).toBe(false);
    untouched.write('');
    expect(existsSync(untouched.area)).toBe(true);
  });

  it('is looked at a second time, and then no more', async () => {
    const editor = await displace('f');
    clock.advance(1000);
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    editor.write('!');
    const isRescued = new Promise<void>((resolve) => {
      onRescued = resolve;
    });
    clock.advance(1000);
    await isRescued;
    expect(Object.values(folder.tree())).toEqual(['old!']);
    expect(clock.pending).toBe(0);
  });

  it('is looked at a last time when the watch stops', async () => {
    const editor = await displace('f');
    appendFileSync(editor.area, ' more');
    await watch.stop();
    expect(Object.values(folder.tree())).toEqual(['old more']);
    editor.write('');
  });
});
