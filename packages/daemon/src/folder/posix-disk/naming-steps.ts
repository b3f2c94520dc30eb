import {
  type BigIntStats,
  linkSync,
  lstatSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { AreaPath, StepPath } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { codeOf, DiskFailure } from './disk-failure.js';
import { type Location, locateArea, locateEntry, locateStep, pathOf, reach } from './location.js';

/** Of a link that the file system, or this system for somebody else's file, does not make. */
const CANNOT_LINK: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
]);

export function lstatAt(access: DirectoryAccess, location: Location): BigIntStats | undefined {
  return lstatSync(reach(access, location), { bigint: true, throwIfNoEntry: false });
}

export function linkTemp(access: DirectoryAccess, temp: AreaPath, to: RelativePath): BigIntStats {
  const target = locateEntry(to);
  const [from, path] = reachBoth(access, locateArea(temp), target);
  moveWithoutReplacing(from, path);
  return lstatSync(path, { bigint: true });
}

/**
 * Into the area a rename takes whatever stands there at that moment, and nobody else writes at its target. Out of the
 * area a link cannot replace what was born at the target meanwhile.
 */
export function renameStep(access: DirectoryAccess, from: StepPath, to: StepPath): BigIntStats {
  const source = locateStep(from);
  const target = locateStep(to);
  const [sourcePath, targetPath] = reachBoth(access, source, target);
  if (!('area' in to) && !lstatSync(sourcePath).isDirectory()) {
    if ('entry' in from) throw new DiskFailure('EINVAL', 'a file goes from path to path by way of the area');
    moveWithoutReplacing(sourcePath, targetPath);
  } else {
    refuseExisting(targetPath);
    renameSync(sourcePath, targetPath);
  }
  const stats = lstatSync(targetPath, { bigint: true });
  if (stats.isDirectory()) {
    access.forget(pathOf(source));
    access.forget(pathOf(target));
  }
  return stats;
}

function reachBoth(access: DirectoryAccess, a: Location, b: Location): [string, string] {
  // Opening both before either is used: the second look finds what the first one opened.
  reach(access, a);
  const path = reach(access, b);
  return [reach(access, a), path];
}

function moveWithoutReplacing(from: string, to: string): void {
  try {
    linkItself(from, to);
  } catch (error) {
    if (!CANNOT_LINK.has(codeOf(error))) throw error;
    // The best that is left: between this look and the rename something could be born and be lost.
    refuseExisting(to);
    renameSync(from, to);
    return;
  }
  unlinkSync(from);
}

/** Linux links a symlink itself; elsewhere the call may follow it. */
function linkItself(from: string, to: string): void {
  if (process.platform !== 'linux' && lstatSync(from).isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
  } else {
    linkSync(from, to);
  }
}

function refuseExisting(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    throw new DiskFailure('EEXIST', 'something stands there');
  }
}
