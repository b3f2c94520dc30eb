import type { Problem } from '../model/problem.js';
import type { DirectoryPath, RelativePath } from '../model/relative-path.js';
import type { Held } from './content-index.js';
import type { FileStat } from './folder-disk.js';

/** Compares the disk with what the index holds. The watcher only hints; this is the truth. */
export interface Scanner {
  /** Batches of differences, parents before children; ends when all of the scope was looked at. */
  scan(scope: ScanScope, signal: AbortSignal): AsyncIterable<ScanBatch>;
}

export type ScanScope =
  | { readonly kind: 'everything' }
  /** These directories, and all of what is new or gone below them; known subdirectories are not descended into. */
  | { readonly kind: 'directories'; readonly paths: readonly DirectoryPath[] };

export interface ScanBatch {
  readonly differences: readonly Difference[];
  readonly problems: readonly Problem[];
  /** Directories that were listed without error; problems noted earlier for what is directly below them are stale. */
  readonly listed: readonly DirectoryPath[];
}

export type Difference =
  /** Something stands there that is not what is held (or nothing is held). */
  | {
      readonly kind: 'present';
      readonly path: RelativePath;
      readonly stat: FileStat;
      readonly target: string | undefined;
      readonly held: Held | undefined;
    }
  /** Its parent was listed (or is itself gone) and it is not there. */
  | { readonly kind: 'absent'; readonly path: RelativePath; readonly held: Held };

/** Hints that something changed in a directory. Lossy: a lost hint is found by the next scan. */
export interface Watcher {
  start(onHint: (directory: DirectoryPath) => void, onFailure: (problem: Problem) => void): Promise<void>;
  stop(): Promise<void>;
}
