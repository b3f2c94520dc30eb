import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  lstatSync,
  lutimesSync,
  openSync,
  utimesSync,
} from 'node:fs';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { DiskStep, FileStat } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { DiskFailure } from './disk-failure.js';
import { hashWhole } from './file-hashing.js';
import { locateEntry, locateStep, reach } from './location.js';
import { lstatAt } from './naming-steps.js';
import { openRegular, toSystemTime } from './regular-file.js';
import { sameIdentity, toFileStat } from './stat-record.js';

type Step<Op extends DiskStep['op']> = DiskStep & { readonly op: Op };

/** See directory-handles: a handle that needs no permission to read. */
const O_PATH = 0o10000000;

export function expectAt(access: DirectoryAccess, step: Step<'expect'>): BigIntStats | undefined {
  return expectStats(access, step, lstatAt(access, locateStep(step.at)));
}

/** The same, of what was just seen there. */
export function expectStats(
  access: DirectoryAccess,
  step: Step<'expect'>,
  stats: BigIntStats | undefined,
): BigIntStats | undefined {
  if (!isAsExpected(stats, step.stat)) {
    throw new DiskFailure('not-as-expected', 'something else stands there than was assumed');
  }
  if (step.hash !== undefined && hashAt(reach(access, locateStep(step.at))) !== step.hash) {
    throw new DiskFailure('not-as-expected', 'the file has another content than was assumed');
  }
  return stats;
}

/** Sets what is given, on the thing itself: never through a link, and without needing to be able to read it. */
export function setMetadata(access: DirectoryAccess, step: Step<'set-metadata'>): BigIntStats {
  const path = reach(access, locateEntry(step.path));
  const time = step.mtimeNs === undefined ? undefined : toSystemTime(step.mtimeNs);
  if (lstatSync(path).isSymbolicLink()) {
    if (time !== undefined) lutimesSync(path, time, time);
  } else if (process.platform === 'linux') {
    setByHandle(path, step.mode, time);
  } else {
    const { fd } = openRegularOrDirectory(path);
    try {
      if (step.mode !== undefined) fchmodSync(fd, step.mode);
      if (time !== undefined) futimesSync(fd, time, time);
    } finally {
      closeSync(fd);
    }
  }
  return lstatSync(path, { bigint: true });
}

function setByHandle(path: string, mode: number | undefined, time: number | undefined): void {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    // With O_PATH a link that was put there since is opened itself, and its mode would be that of its target.
    if (fstatSync(fd).isSymbolicLink()) throw new DiskFailure('not-as-expected', 'a link stands there now');
    const handle = `/proc/self/fd/${fd}`;
    if (mode !== undefined) chmodSync(handle, mode);
    if (time !== undefined) utimesSync(handle, time, time);
  } finally {
    closeSync(fd);
  }
}

function openRegularOrDirectory(path: string): { fd: number } {
  return { fd: openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK) };
}

function isAsExpected(stats: BigIntStats | undefined, expected: FileStat | undefined): boolean {
  if (stats === undefined || expected === undefined) return stats === expected;
  return sameIdentity(toFileStat(stats), expected);
}

function hashAt(path: string): ContentHash {
  const { fd, stats } = openRegular(path);
  try {
    return hashWhole(fd, Number(stats.size));
  } finally {
    closeSync(fd);
  }
}
