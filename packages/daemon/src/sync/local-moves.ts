import type { Content } from '../core/model/file-entry.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Held } from '../core/ports/content-index.js';
import type { Difference } from '../core/ports/scanner.js';
import { sameStat } from './held-state.js';

type Absent = Extract<Difference, { kind: 'absent' }>;

export type MovedContents = ReadonlyMap<RelativePath, Content>;

/**
 * Contents of files that only their place has changed: same inode, size and times as a file that is gone from its path.
 * A renamed directory leaves its files' ctime alone; a file renamed by itself has a new one and is read.
 */
export function contentsOfMoved(differences: readonly Difference[]): MovedContents {
  const gone = new Map<bigint, Held>();
  for (const d of differences) {
    if (d.kind === 'absent' && !d.held.racy && d.held.version.content.type === 'file')
      gone.set(d.held.stat.inode, d.held);
  }
  const moved = new Map<RelativePath, Content>();
  if (gone.size === 0) return moved;
  for (const d of differences) {
    if (d.kind !== 'present') continue;
    const held = gone.get(d.stat.inode);
    if (held !== undefined && sameStat(held.stat, d.stat)) moved.set(d.path, held.version.content);
  }
  return moved;
}

/**
 * What appeared first, each with the path that the same inode has left right behind it, then what is only gone, children
 * before parents: so that a receiver sees both halves of a move together, and never a deletion whose content it will need.
 */
export function* groupMoves(differences: readonly Difference[]): Generator<readonly Difference[]> {
  const gone = new Map<bigint, Absent>();
  const paired = new Set<Absent>();
  for (const d of differences) {
    if (d.kind === 'absent' && d.held.stat.type === 'file') gone.set(d.held.stat.inode, d);
  }
  for (const d of differences) {
    if (d.kind !== 'present') continue;
    const left = d.stat.type === 'file' ? gone.get(d.stat.inode) : undefined;
    if (left === undefined || paired.has(left)) yield [d];
    else {
      paired.add(left);
      yield [d, left];
    }
  }
  for (let i = differences.length - 1; i >= 0; i--) {
    const d = differences[i];
    if (d?.kind === 'absent' && !paired.has(d)) yield [d];
  }
}
