import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { AREA_NAME, type DirectoryAccess } from './directory-access.js';
import { codeOf, DiskFailure } from './disk-failure.js';

/** Not among Node's constants. The handle names the directory and needs no permission to list it. */
const O_PATH = 0o10000000;
const OPEN_DIRECTORY = O_PATH | constants.O_DIRECTORY;
const MAX_HANDLES = 64;
/** Of a deeper path only the end is kept open, so that two such paths never evict each other. */
const MAX_KEPT_DEPTH = 16;

/**
 * Linux: every component is opened relative to the handle of the one before, with O_NOFOLLOW; `/proc/self/fd/N/name`
 * is then a path that no swap of a parent for a link can lead astray.
 */
export class DirectoryHandles implements DirectoryAccess {
  readonly #root: number;
  readonly #rootDevice: number;
  /** Least recently used first. */
  readonly #handles = new Map<string, number>();
  #lastDirectory: string | undefined;
  #lastPrefix = '';

  constructor(rootPath: string) {
    this.#root = openRoot(rootPath);
    try {
      this.#rootDevice = fstatSync(this.#root).dev;
      this.#remember(AREA_NAME, this.#openArea());
    } catch (error) {
      closeSync(this.#root);
      throw error;
    }
  }

  prefixOf(directory: string): string {
    if (directory === this.#lastDirectory) return this.#lastPrefix;
    const handle = directory === '' ? this.#root : this.#open(directory);
    this.#lastDirectory = directory;
    this.#lastPrefix = `/proc/self/fd/${handle}/`;
    return this.#lastPrefix;
  }

  forget(path: string): void {
    this.#lastDirectory = undefined;
    const below = `${path}/`;
    for (const [directory, handle] of this.#handles) {
      if (directory !== path && !directory.startsWith(below)) continue;
      this.#handles.delete(directory);
      closeSync(handle);
    }
  }

  close(): void {
    this.#lastDirectory = undefined;
    for (const handle of this.#handles.values()) closeSync(handle);
    this.#handles.clear();
    closeSync(this.#root);
  }

  #open(directory: string): number {
    const known = this.#handles.get(directory);
    if (known !== undefined) {
      this.#handles.delete(directory);
      this.#handles.set(directory, known);
      return known;
    }
    let end = directory.lastIndexOf('/');
    while (end > 0 && !this.#handles.has(directory.slice(0, end))) end = directory.lastIndexOf('/', end - 1);
    let handle = end > 0 ? (this.#handles.get(directory.slice(0, end)) ?? this.#root) : this.#root;
    let start = end > 0 ? end + 1 : 0;
    let passing: number | undefined;
    for (let depth = 0; start <= directory.length; depth++) {
      const slash = directory.indexOf('/', start);
      const stop = slash < 0 ? directory.length : slash;
      try {
        handle = this.#openBelow(handle, directory.slice(start, stop));
      } finally {
        if (passing !== undefined) closeSync(passing);
        passing = undefined;
      }
      if (depth < MAX_KEPT_DEPTH || slash < 0) this.#remember(directory.slice(0, stop), handle);
      else passing = handle;
      start = stop + 1;
    }
    return handle;
  }

  #openBelow(parent: number, name: string): number {
    if (name === '' || name === '.' || name === '..') throw new DiskFailure('EINVAL', 'not a plain path');
    const handle = openSync(`/proc/self/fd/${parent}/${name}`, OPEN_DIRECTORY | constants.O_NOFOLLOW);
    if (fstatSync(handle).dev !== this.#rootDevice) {
      closeSync(handle);
      throw new DiskFailure('submount', `another file system is mounted at ${JSON.stringify(name)}`);
    }
    return handle;
  }

  #openArea(): number {
    try {
      return this.#openBelow(this.#root, AREA_NAME);
    } catch (error) {
      throw asRootMissing(error, "the folder's marker cannot be opened");
    }
  }

  #remember(directory: string, handle: number): void {
    this.#handles.set(directory, handle);
    if (this.#handles.size <= MAX_HANDLES) return;
    for (const [oldest, unused] of this.#handles) {
      this.#handles.delete(oldest);
      closeSync(unused);
      break;
    }
  }
}

function openRoot(rootPath: string): number {
  try {
    return openSync(rootPath, OPEN_DIRECTORY);
  } catch (error) {
    throw asRootMissing(error, 'the folder cannot be opened');
  }
}

/** Want of file descriptors or memory says nothing about the folder. */
function asRootMissing(error: unknown, what: string): unknown {
  const code = codeOf(error);
  if (code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM') return error;
  return new DiskFailure('root-missing', `${what}: ${code}`, { cause: error });
}
