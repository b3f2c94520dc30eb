import { closeSync, constants, fsyncSync, openSync, statfsSync } from 'node:fs';
import type { AreaPath } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { codeOf } from './disk-failure.js';
import { directoryOfEntries, locateArea, pathOf } from './location.js';

/** What a directory to flush is that is no longer there, or on a disk that flushes no directories. */
const NOTHING_TO_FLUSH: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'EINVAL']);

export function flushDirectories(
  access: DirectoryAccess,
  directories: readonly (string | { readonly area: AreaPath })[],
): void {
  for (const directory of directories) {
    const path =
      typeof directory === 'string' ? directoryOfEntries(directory) : pathOf(locateArea(directory.area));
    try {
      const fd = openSync(`${access.prefixOf(path)}.`, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if (!NOTHING_TO_FLUSH.has(codeOf(error))) throw error;
    }
  }
}

export function measureSpace(access: DirectoryAccess): { freeBytes: number; totalBytes: number } {
  const { bavail, blocks, bsize } = statfsSync(access.prefixOf(''));
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
