import type { Problem } from '../core/model/problem.js';
import {
  childPath,
  type DirectoryPath,
  findPathFlaw,
  type RelativePath,
} from '../core/model/relative-path.js';
import type { Held, IndexRow } from '../core/ports/content-index.js';
import type { DirectoryListing, FileStat } from '../core/ports/folder-disk.js';
import type { Difference } from '../core/ports/scanner.js';
import { AREA_NAME } from './posix-disk/directory-access.js';
import { badName, submount, unsupportedType } from './scan-problems.js';

export type IgnoreRule = (path: RelativePath, isDirectory: boolean) => boolean;
export type Present = Difference & { readonly kind: 'present' };

export interface ComparedDirectory {
  readonly present: readonly Present[];
  /** Rows of which nothing is there. */
  readonly vanished: readonly IndexRow[];
  /** Rows of held directories where something else stands. */
  readonly replaced: readonly IndexRow[];
  readonly problems: readonly Problem[];
  /** All that are there and may be descended into, in order; and those of them that are not held as directories. */
  readonly subdirectories: readonly RelativePath[];
  readonly newSubdirectories: readonly RelativePath[];
}

type Entry = DirectoryListing['entries'][number];

/** One directory's listing against the rows directly below it. */
export function compareDirectory(input: {
  readonly directory: DirectoryPath;
  readonly listing: DirectoryListing;
  readonly rows: readonly IndexRow[];
  readonly isIgnored: IgnoreRule;
}): ComparedDirectory {
  const { directory, listing, rows, isIgnored } = input;
  const unseen = new Map(rows.map((row) => [row.path, row]));
  const present: Present[] = [];
  const replaced: IndexRow[] = [];
  const problems: Problem[] = listing.unreadableNames.map((name) => badName(directory, name, 'not-unicode'));
  const subdirectories: RelativePath[] = [];
  const newSubdirectories: RelativePath[] = [];

  for (const entry of listing.entries) {
    if (directory === '' && entry.name.toLowerCase() === AREA_NAME) continue;
    const flaw = findPathFlaw(childPath(directory, entry.name));
    if (flaw !== undefined) {
      problems.push(badName(directory, entry.name, flaw));
      continue;
    }
    const path = childPath(directory, entry.name);
    const row = unseen.get(path);
    unseen.delete(path);
    if (isIgnored(path, entry.stat.type === 'directory')) continue;
    const problem = findProblem(path, entry, listing.stat);
    if (problem !== undefined) {
      problems.push(problem);
      continue;
    }
    if (row !== undefined && isHeldDirectory(row) && entry.stat.type !== 'directory') replaced.push(row);
    if (row?.held === undefined || differs(row.held, entry)) {
      present.push({ kind: 'present', path, stat: entry.stat, target: entry.target, held: row?.held });
    }
    if (entry.stat.type === 'directory') {
      subdirectories.push(path);
      if (!isHeldDirectory(row)) newSubdirectories.push(path);
    }
  }
  const vanished = [...unseen.values()].filter((row) => !isIgnored(row.path, isHeldDirectory(row)));
  return { present, vanished, replaced, problems, subdirectories, newSubdirectories };
}

/** What stands there decides: the version held at a directory that is only there for its descendants is not one. */
export function isHeldDirectory(row: IndexRow | undefined): boolean {
  return row?.held?.stat.type === 'directory';
}

/** Where something stands that is not synced, nothing is concluded about what is held there. */
function findProblem(path: RelativePath, { stat, target }: Entry, parent: FileStat): Problem | undefined {
  if (stat.type === 'other') return unsupportedType(path);
  if (stat.type === 'directory' && stat.device !== parent.device) return submount(path);
  if (stat.type === 'symlink' && target === undefined) return badName('', path, 'target-not-unicode');
  return undefined;
}

function differs(held: Held, { stat, target }: Entry): boolean {
  const content = held.version.content;
  if (held.stat.type !== stat.type) return true;
  // The times of a directory move with every name in it; only its mode is metadata.
  if (stat.type === 'directory') return held.stat.mode !== stat.mode;
  if (content.type === 'symlink' && content.target !== target) return true;
  return (
    held.stat.sizeBytes !== stat.sizeBytes ||
    held.stat.mtimeNs !== stat.mtimeNs ||
    held.stat.ctimeNs !== stat.ctimeNs ||
    held.stat.inode !== stat.inode
  );
}
