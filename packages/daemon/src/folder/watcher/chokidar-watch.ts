import { relative, sep } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { DirectoryPath } from '../../core/model/relative-path.js';
import { AREA_NAME } from '../posix-disk/directory-access.js';
import { type DirectoryWatch, joinName, type WatchEvents, watchProblem } from './directory-watch.js';

/**
 * chokidar reads a new directory before it watches it: what comes into it in between is found by looking again when the
 * watch surely stands.
 */
const LOOK_AGAIN_MS = [100, 1000] as const;

/** chokidar on the directories alone; its raw events are the hints, because they come before any debouncing of its own. */
export class ChokidarWatch implements DirectoryWatch {
  readonly #rootPath: string;
  readonly #events: WatchEvents;
  readonly #onName: () => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #watcher: FSWatcher | undefined;

  /** `onName` is called for every name that may have come or gone, and tells how large the tree may have become. */
  constructor(rootPath: string, events: WatchEvents, onName: () => void) {
    this.#rootPath = rootPath;
    this.#events = events;
    this.#onName = onName;
  }

  start(): Promise<void> {
    const area = `${this.#rootPath}${sep}${AREA_NAME}`;
    const watcher = watch(this.#rootPath, {
      ignored: (path, stats) =>
        path === area || path.startsWith(`${area}${sep}`) || (stats !== undefined && !stats.isDirectory()),
      followSymlinks: false,
      ignoreInitial: true,
      ignorePermissionErrors: true,
      persistent: true,
    });
    this.#watcher = watcher;
    watcher.on('raw', (kind: string, _name: string, details: unknown) => this.#handleRaw(kind, details));
    watcher.on('addDir', (path) => this.#handleNewDirectory(path));
    watcher.on('error', (error) => this.#events.onFailure(watchProblem('', error)));
    return new Promise((resolve) => watcher.once('ready', resolve));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await this.#watcher?.close();
    this.#watcher = undefined;
  }

  directories(): Iterable<DirectoryPath> {
    const watched = Object.keys(this.#watcher?.getWatched() ?? {}).map((path) => this.#toDirectory(path));
    return watched.filter((directory) => directory !== undefined);
  }

  #handleRaw(kind: string, details: unknown): void {
    if (kind === 'rename') this.#onName();
    const watchedPath = (details as { watchedPath?: unknown } | undefined)?.watchedPath;
    const directory = typeof watchedPath === 'string' ? this.#toDirectory(watchedPath) : undefined;
    if (directory !== undefined) this.#events.onChange(directory);
  }

  #handleNewDirectory(path: string): void {
    const directory = this.#toDirectory(path);
    if (directory === undefined) return;
    this.#events.onChange(directory);
    for (const delayMs of LOOK_AGAIN_MS) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#events.onChange(directory);
      }, delayMs).unref();
      this.#timers.add(timer);
    }
  }

  #toDirectory(path: string): DirectoryPath | undefined {
    const below = relative(this.#rootPath, path);
    return below === '' ? '' : joinName('', below.split(sep).join('/'));
  }
}
