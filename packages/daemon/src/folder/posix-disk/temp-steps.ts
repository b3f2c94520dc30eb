import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fdatasyncSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import type { AreaPath, DiskStep } from '../../core/ports/folder-disk.js';
import { AREA_NAME, type DirectoryAccess } from './directory-access.js';
import { codeOf, DiskFailure } from './disk-failure.js';
import { hashWhole, scratchBytes } from './file-hashing.js';
import { type Location, locateArea, locateEntry, reach } from './location.js';
import { locatePartial } from './partial-files.js';
import { createRegular, openRegular, readFully, setTimes, writeFully } from './regular-file.js';

type Step<Op extends DiskStep['op']> = DiskStep & { readonly op: Op };

export const UNSHARE_PREFIX = 'unshare-';
const TEMPS = 'tmp' as AreaPath;
const READ_AND_WRITE = 0o600;
const umask = process.umask();

/** Writes the file; the caller flushes and closes it, together with others. */
export function writeTemp(
  access: DirectoryAccess,
  step: Step<'write-temp'>,
): { fd: number; stats: BigIntStats } {
  const temp = locateArea(step.temp);
  const plainMode = step.mode & 0o777;
  const fd = createTemp(access, temp, plainMode);
  try {
    writeFully(fd, step.bytes, 0);
    setTimes(fd, step.mtimeNs);
    if ((plainMode & ~umask) !== step.mode) fchmodSync(fd, step.mode);
    return { fd, stats: fstatSync(fd, { bigint: true }) };
  } catch (error) {
    closeSync(fd);
    unlinkSync(reach(access, temp));
    throw error;
  }
}

export function partialToTemp(access: DirectoryAccess, step: Step<'partial-to-temp'>): BigIntStats {
  const temp = locateArea(step.temp);
  const partial = reach(access, locatePartial(step.hash));
  const { fd } = openRegular(partial, 'write');
  try {
    setTimes(fd, step.mtimeNs);
    fchmodSync(fd, step.mode);
  } finally {
    closeSync(fd);
  }
  const target = reach(access, temp);
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) {
    throw new DiskFailure('EEXIST', 'a temp of that name is there');
  }
  renameSync(reach(access, locatePartial(step.hash)), target);
  return lstatSync(target, { bigint: true });
}

export function copyToTemp(access: DirectoryAccess, step: Step<'copy-to-temp'>): BigIntStats {
  const source = openRegular(reach(access, locateEntry(step.from)));
  try {
    const temp = locateArea(step.temp);
    copyOpenFile(source.fd, reach(access, temp));
    try {
      return finishCopy(reach(access, temp), (fd, sizeBytes) => {
        if (hashWhole(fd, sizeBytes) !== step.hash) {
          throw new DiskFailure('wrong-hash', 'the file to copy has another content');
        }
        setTimes(fd, step.mtimeNs);
        fchmodSync(fd, step.mode);
      });
    } catch (error) {
      unlinkSync(reach(access, temp));
      throw error;
    }
  } finally {
    closeSync(source.fd);
  }
}

/** A file of the area with other links gets an inode of its own, so that no edit through them reaches it. */
export function unshare(access: DirectoryAccess, area: AreaPath): BigIntStats {
  const location = locateArea(area);
  const path = reach(access, location);
  const stats = lstatSync(path, { bigint: true });
  if (!stats.isFile() || stats.nlink <= 1n) return stats;
  const source = openRegular(path);
  try {
    // In tmp/, because the name with anything added to it may be too long.
    const copy = locateArea(`${TEMPS}/${UNSHARE_PREFIX}${stats.ino}` as AreaPath);
    removeLeftover(reach(access, copy));
    copyOpenFile(source.fd, reach(access, copy));
    finishCopy(reach(access, copy), (fd) => {
      setTimes(fd, stats.mtimeNs);
      fchmodSync(fd, Number(stats.mode) & 0o7777);
    });
    const from = reach(access, copy);
    renameSync(from, reach(access, location));
    return lstatSync(reach(access, location), { bigint: true });
  } finally {
    closeSync(source.fd);
  }
}

/** Makes a directory of the area with its parents; never the area itself, which is the folder's marker. */
export function makeArea(access: DirectoryAccess, area: AreaPath): void {
  const { directory, name } = locateArea(area);
  const path = `${directory}/${name}`;
  try {
    access.prefixOf(path);
    return;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  if (directory !== AREA_NAME) makeArea(access, directory.slice(AREA_NAME.length + 1) as AreaPath);
  try {
    mkdirSync(access.prefixOf(directory) + name, 0o700);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

export function unlinkArea(access: DirectoryAccess, area: AreaPath): void {
  removeLeftover(reach(access, locateArea(area)));
}

export function clearTemps(access: DirectoryAccess, prefixes: readonly string[]): void {
  makeArea(access, TEMPS);
  const directory = access.prefixOf(`${AREA_NAME}/${TEMPS}`);
  for (const name of readdirSync(directory)) {
    if (prefixes.some((prefix) => name.startsWith(prefix))) unlinkSync(directory + name);
  }
}

function createTemp(access: DirectoryAccess, temp: Location, mode: number): number {
  try {
    return createRegular(reach(access, temp), mode);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    makeArea(access, TEMPS);
    return createRegular(reach(access, temp), mode);
  }
}

export function finishCopy(path: string, prepare: (fd: number, sizeBytes: number) => void): BigIntStats {
  const { fd, stats } = openRegular(path, 'write');
  try {
    prepare(fd, Number(stats.size));
    fdatasyncSync(fd);
    return fstatSync(fd, { bigint: true });
  } finally {
    closeSync(fd);
  }
}

/** Copies what an open file holds, sharing the blocks where the file system can; through the handle, not the name. */
export function copyOpenFile(fd: number, to: string): void {
  if (process.platform === 'linux') {
    copyFileSync(`/proc/self/fd/${fd}`, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    // The copy has the source's mode, which may forbid to open it.
    chmodSync(to, READ_AND_WRITE);
    return;
  }
  const target = createRegular(to, READ_AND_WRITE);
  try {
    const buffer = scratchBytes();
    for (let position = 0; ; ) {
      const count = readFully(fd, buffer, position);
      if (count === 0) break;
      writeFully(target, buffer.subarray(0, count), position);
      position += count;
    }
  } finally {
    closeSync(target);
  }
}

export function removeLeftover(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
