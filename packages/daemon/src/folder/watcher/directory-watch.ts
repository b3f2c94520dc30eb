import type { Problem } from '../../core/model/problem.js';
import { type DirectoryPath, findPathFlaw } from '../../core/model/relative-path.js';
import { AREA_NAME } from '../posix-disk/directory-access.js';

/** One way to learn that something changed in a directory of a tree. */
export interface DirectoryWatch {
  /** Resolves when every directory is watched that was there at the start. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Those that are watched now. */
  directories(): Iterable<DirectoryPath>;
}

export interface WatchEvents {
  /** Something changed in this directory. */
  readonly onChange: (directory: DirectoryPath) => void;
  readonly onFailure: (problem: Problem) => void;
}

export function joinName(directory: DirectoryPath, name: string): DirectoryPath | undefined {
  const path = directory === '' ? name : `${directory}/${name}`;
  return findPathFlaw(path) === undefined ? (path as DirectoryPath) : undefined;
}

/** True of the folder's own area, in which only the product itself changes anything. */
export function isArea(directory: DirectoryPath, name: string): boolean {
  return directory === '' && name === AREA_NAME;
}

export function watchProblem(path: string, error: unknown): Problem {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const text =
    code === 'ENOSPC' || code === 'EMFILE'
      ? 'The system does not allow to watch more directories, so changes are found by looking at intervals. Raise fs.inotify.max_user_watches and fs.inotify.max_user_instances to have them found at once.'
      : `A directory cannot be watched (${code}), so changes are found by looking at intervals.`;
  return { path, code: 'watch-failed', text };
}
