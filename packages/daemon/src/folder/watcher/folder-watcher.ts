import type { Problem } from '../../core/model/problem.js';
import type { DirectoryPath } from '../../core/model/relative-path.js';
import type { Watcher } from '../../core/ports/scanner.js';
import { ChokidarWatch } from './chokidar-watch.js';
import { type DirectoryWatch, type WatchEvents, watchProblem } from './directory-watch.js';
import { OverflowGuess } from './overflow-guess.js';
import { PerDirectoryWatch } from './per-directory-watch.js';
import { isTreeWithin, type TreeLimit } from './tree-size.js';

export interface FolderWatcherOptions {
  /** Absolute. */
  readonly rootPath: string;
  /**
   * Up to this size chokidar watches. It looks at every file of a directory whenever a name comes or goes in it (2,000
   * new files cost it five times what they cost plain watches), and keeps 200 KB a directory: beyond, each directory has
   * a plain watch. Default 50 directories and 500 names.
   */
  readonly chokidarLimit?: TreeLimit;
}

const CHOKIDAR_LIMIT: TreeLimit = { directories: 50, entries: 500 };

export function createFolderWatcher(options: FolderWatcherOptions): Watcher {
  return new FolderWatcher(options);
}

class FolderWatcher implements Watcher {
  readonly #rootPath: string;
  readonly #limit: TreeLimit;
  readonly #changed = new Set<DirectoryPath>();
  #onHint: (directory: DirectoryPath) => void = () => undefined;
  #onFailure: (problem: Problem) => void = () => undefined;
  #watch: DirectoryWatch | undefined;
  #namesSeen = 0;
  #growing: Promise<void> | undefined;
  #isStopped = false;

  constructor({ rootPath, chokidarLimit }: FolderWatcherOptions) {
    this.#rootPath = rootPath;
    this.#limit = chokidarLimit ?? CHOKIDAR_LIMIT;
  }

  async start(
    onHint: (directory: DirectoryPath) => void,
    onFailure: (problem: Problem) => void,
  ): Promise<void> {
    this.#onHint = onHint;
    this.#onFailure = onFailure;
    const isSmall = await isTreeWithin(this.#rootPath, this.#limit);
    const events = this.#newEvents();
    this.#watch = isSmall
      ? new ChokidarWatch(this.#rootPath, events, () => this.#countName())
      : new PerDirectoryWatch(this.#rootPath, events);
    await this.#watch.start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#growing;
    await this.#watch?.stop();
    this.#watch = undefined;
  }

  /** Changes of one turn of the event loop are one hint a directory. */
  #newEvents(): WatchEvents {
    const overflow = new OverflowGuess(() => {
      for (const directory of this.#watch?.directories() ?? []) this.#change(directory);
    });
    return {
      onChange: (directory) => {
        overflow.countEvent();
        this.#change(directory);
      },
      onFailure: (problem) => {
        if (!this.#isStopped) this.#onFailure(problem);
      },
    };
  }

  #change(directory: DirectoryPath): void {
    if (this.#isStopped) return;
    if (this.#changed.size === 0) setImmediate(() => this.#tell());
    this.#changed.add(directory);
  }

  #tell(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    if (this.#isStopped) return;
    for (const directory of changed) this.#onHint(directory);
  }

  /** So many names came and went that the tree may have outgrown chokidar. The new watch stands before the old one goes. */
  #countName(): void {
    if (++this.#namesSeen <= this.#limit.entries || this.#growing !== undefined) return;
    this.#growing = this.#replaceWatch().catch((error: unknown) => this.#onFailure(watchProblem('', error)));
  }

  async #replaceWatch(): Promise<void> {
    const old = this.#watch;
    const next = new PerDirectoryWatch(this.#rootPath, this.#newEvents());
    await next.start();
    this.#watch = next;
    await old?.stop();
  }
}
