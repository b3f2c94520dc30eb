import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Problem } from '../../core/model/problem.js';
import type { Watcher } from '../../core/ports/scanner.js';
import { createFolderWatcher } from './folder-watcher.js';

class Hints {
  readonly problems: Problem[] = [];
  #seen: string[] = [];
  #waiting: (() => void) | undefined;

  readonly add = (directory: string) => {
    this.#seen.push(directory);
    this.#waiting?.();
  };

  forget(): void {
    this.#seen = [];
  }

  get seen(): readonly string[] {
    return this.#seen;
  }

  async until(...directories: string[]): Promise<void> {
    while (!directories.every((directory) => this.#seen.includes(directory))) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }
}

const modes = [
  { name: 'chokidar', chokidarLimit: { directories: 100, entries: 1000 } },
  { name: 'one watch a directory', chokidarLimit: { directories: 0, entries: 0 } },
];

describe.each(modes)('$name', ({ chokidarLimit }) => {
  let root: string;
  let watcher: Watcher;
  let hints: Hints;

  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'landropic-watch-')));
    mkdirSync(join(root, '.landropic/tmp'), { recursive: true });
    mkdirSync(join(root, 'a/b'), { recursive: true });
    watcher = createFolderWatcher({ rootPath: root, chokidarLimit });
    hints = new Hints();
  });

  afterEach(async () => {
    await watcher.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const start = () => watcher.start(hints.add, (problem) => hints.problems.push(problem));

  it('hints at the directory of a new, a changed and a removed file', async () => {
    await start();
    writeFileSync(join(root, 'a/b/new'), '1');
    await hints.until('a/b');
    hints.forget();
    writeFileSync(join(root, 'a/b/new'), '22');
    await hints.until('a/b');
    hints.forget();
    rmSync(join(root, 'a/b/new'));
    await hints.until('a/b');
    expect(hints.problems).toEqual([]);
  });

  it('hints within a few milliseconds', async () => {
    await start();
    const delays: number[] = [];
    for (let i = 0; i < 9; i++) {
      hints.forget();
      const startedMs = performance.now();
      writeFileSync(join(root, `a/file-${i}`), 'x');
      await hints.until('a');
      delays.push(performance.now() - startedMs);
    }
    delays.sort((a, b) => a - b);
    expect(delays[4]).toBeLessThan(20);
  });

  it('watches a directory that comes later, and what is moved with it', async () => {
    await start();
    mkdirSync(join(root, 'a/later/deep'), { recursive: true });
    await hints.until('a', 'a/later', 'a/later/deep');
    hints.forget();
    writeFileSync(join(root, 'a/later/deep/file'), 'x');
    await hints.until('a/later/deep');
  });

  it('follows a directory to its new name', async () => {
    await start();
    renameSync(join(root, 'a'), join(root, 'z'));
    await hints.until('', 'z', 'z/b');
    hints.forget();
    writeFileSync(join(root, 'z/b/file'), 'x');
    await hints.until('z/b');
  });

  it('says nothing of its own area, and does not go through links', async () => {
    const outside = realpathSync(mkdtempSync(join(tmpdir(), 'landropic-outside-')));
    symlinkSync(outside, join(root, 'link'));
    await start();
    writeFileSync(join(root, '.landropic/tmp/file'), 'x');
    writeFileSync(join(outside, 'file'), 'x');
    writeFileSync(join(root, 'a/end'), 'x');
    await hints.until('a');
    expect(
      hints.seen.filter((directory) => directory.includes('landropic') || directory.includes('link')),
    ).toEqual([]);
    rmSync(outside, { recursive: true });
  });
});

describe('a tree that outgrows chokidar', () => {
  it('is watched on, without a gap', async () => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'landropic-watch-')));
    mkdirSync(join(root, 'a'));
    const hints = new Hints();
    const watcher = createFolderWatcher({ rootPath: root, chokidarLimit: { directories: 10, entries: 20 } });
    await watcher.start(hints.add, (problem) => hints.problems.push(problem));
    for (let i = 0; i < 100; i++) {
      hints.forget();
      mkdirSync(join(root, `a/${i}`));
      await hints.until('a', `a/${i}`);
    }
    hints.forget();
    writeFileSync(join(root, 'a/99/file'), 'x');
    await hints.until('a/99');
    expect(hints.problems).toEqual([]);
    await watcher.stop();
    rmSync(root, { recursive: true });
  });
});
