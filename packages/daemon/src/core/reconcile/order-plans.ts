import { depthOf } from '../model/relative-path.js';
import type { PlannedPath } from './find-moves.js';

/** In the order in which they have to run. */
const Phase = {
  removeFile: 0,
  make: 1,
  removeDirectory: 2,
  /** A file or symlink where a directory stands, that is empty only now. */
  replaceDirectory: 3,
  /** Last, since a directory that nobody may write into takes no children. */
  directoryMetadata: 4,
} as const;

const BOTTOM_UP: readonly number[] = [Phase.removeDirectory, Phase.directoryMetadata];

/**
 * The order of application: files go first; then parents are made before children, files moved in between; then emptied
 * directories go, children before parents, and what is to stand in place of one. Moves count as their target: they need
 * its parent made, and their source's directory still there.
 */
export function orderPlans<T extends PlannedPath>(planned: readonly T[]): T[] {
  return planned
    .map((item) => ({ item, phase: phaseOf(item), depth: depthOf(item.row.path) }))
    .sort((a, b) => {
      if (a.phase !== b.phase) return a.phase - b.phase;
      const byDepth = BOTTOM_UP.includes(a.phase) ? b.depth - a.depth : a.depth - b.depth;
      return byDepth || (a.item.row.path < b.item.row.path ? -1 : 1);
    })
    .map(({ item }) => item);
}

function phaseOf({ row, plan }: PlannedPath): number {
  const directoryStands = row.held?.stat.type === 'directory';
  switch (plan.kind) {
    case 'remove':
      return directoryStands ? Phase.removeDirectory : Phase.removeFile;
    case 'file':
    case 'symlink':
      return directoryStands ? Phase.replaceDirectory : Phase.make;
    case 'metadata':
      return directoryStands ? Phase.directoryMetadata : Phase.make;
    default:
      return Phase.make;
  }
}
