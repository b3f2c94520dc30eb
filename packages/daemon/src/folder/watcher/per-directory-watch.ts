import { type FSWatcher, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DirectoryPath } from '../../core/model/relative-path.js';
import { type DirectoryWatch, isArea, joinName, type WatchEvents, watchProblem } from './directory-watch.js';

/** Names of a directory are read again at most this often, or as often as reading them takes four times. */
const MIN_REREAD_MS = 5;
const REREAD_SHARE = 4;

interface Watched {
  readonly watcher: FSWatcher;
  readonly children: Set<DirectoryPath>;
}

/**
 * One watch for each directory, and nothing remembered of files: a few kilobytes a directory. A directory is watched
 * before its names are read, so that nothing that comes into it is missed.
 */
export class PerDirectoryWatch implements DirectoryWatch {
  readonly #rootPath: string;
  readonly #events: WatchEvents;
  readonly #watched = new Map<DirectoryPath, Watched>();
  /** Directories in which names came or went since they were last read. */
  readonly #stale = new Set<DirectoryPath>();
  readonly #reading = new Set<DirectoryPath>();
  #hasFailed = false;
  #isStopped = false;

  constructor(rootPath: string, events: WatchEvents) {
    this.#rootPath = rootPath;
    this.#events = events;
  }

  async start(): Promise<void> {
    await this.#addTree('');
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  directories(): Iterable<DirectoryPath> {
    return this.#watched.keys();
  }

  /** Watches a directory and all below it. A new one may hold more already than anybody was told. */
  async #addTree(top: DirectoryPath): Promise<void> {
    const pending = [top];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      if (this.#isStopped) return;
      if (this.#watched.has(directory) || !this.#watch(directory)) continue;
      if (directory !== '') this.#events.onChange(directory);
      for (const child of await this.#readSubdirectories(directory)) {
        this.#watched.get(directory)?.children.add(child);
        pending.push(child);
      }
    }
  }

  #watch(directory: DirectoryPath): boolean {
    try {
      const watcher = watch(join(this.#rootPath, directory), { persistent: false });
      watcher.on('change', (kind, name) => this.#handle(directory, kind, name));
      watcher.on('error', () => this.#dropAndLookAgain(directory));
      this.#watched.set(directory, { watcher, children: new Set() });
      return true;
    } catch (error) {
      if (!isGone(error)) this.#fail(directory, error);
      return false;
    }
  }

  #handle(directory: DirectoryPath, kind: string, name: string | Buffer | null): void {
    if (this.#isStopped) return;
    const text = name === null ? undefined : String(name);
    // The marker's own coming and going matters, what is done in it does not.
    if (kind === 'change' && text !== undefined && isArea(directory, text)) return;
    this.#events.onChange(directory);
    if (kind === 'change') return;
    const own = directory.slice(directory.lastIndexOf('/') + 1);
    // Told of itself, with its own name: it was moved or removed, and the watch went along.
    if (directory !== '' && (text === own || text === undefined)) this.#dropAndLookAgain(directory);
    else this.#look(directory);
  }

  #dropAndLookAgain(directory: DirectoryPath): void {
    this.#drop(directory);
    if (directory === '') return;
    const slash = directory.lastIndexOf('/');
    const parent = (slash < 0 ? '' : directory.slice(0, slash)) as DirectoryPath;
    this.#watched.get(parent)?.children.delete(directory);
    this.#events.onChange(parent);
    this.#look(parent);
  }

  /** Reads the names again, soon, and once for many changes. */
  #look(directory: DirectoryPath): void {
    this.#stale.add(directory);
    if (this.#reading.has(directory)) return;
    this.#reading.add(directory);
    setImmediate(() => void this.#reread(directory));
  }

  async #reread(directory: DirectoryPath): Promise<void> {
    while (this.#stale.delete(directory) && !this.#isStopped) {
      const startedMs = performance.now();
      const watched = this.#watched.get(directory);
      if (watched === undefined) break;
      const found = new Set(await this.#readSubdirectories(directory));
      for (const child of watched.children) {
        if (found.has(child)) continue;
        watched.children.delete(child);
        this.#drop(child);
      }
      for (const child of found) {
        watched.children.add(child);
        if (!this.#watched.has(child)) await this.#addTree(child);
      }
      const tookMs = performance.now() - startedMs;
      await pause(Math.max(MIN_REREAD_MS, tookMs * REREAD_SHARE));
    }
    this.#reading.delete(directory);
    if (this.#stale.has(directory) && this.#watched.has(directory)) this.#look(directory);
    else this.#stale.delete(directory);
  }

  #drop(top: DirectoryPath): void {
    const pending = [top];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      const watched = this.#watched.get(directory);
      if (watched === undefined) continue;
      this.#watched.delete(directory);
      watched.watcher.close();
      pending.push(...watched.children);
    }
  }

  async #readSubdirectories(directory: DirectoryPath): Promise<DirectoryPath[]> {
    try {
      const entries = await readdir(join(this.#rootPath, directory), { withFileTypes: true });
      return entries.flatMap((entry) => {
        if (!entry.isDirectory() || isArea(directory, entry.name)) return [];
        const child = joinName(directory, entry.name);
        return child === undefined ? [] : [child];
      });
    } catch {
      // Gone, or not to be read: the scan says which.
      return [];
    }
  }

  #fail(directory: DirectoryPath, error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#events.onFailure(watchProblem(directory, error));
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs).unref());
}
