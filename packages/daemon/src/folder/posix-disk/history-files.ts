import { closeSync, lstatSync, readdirSync, readlinkSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import type { AreaPath, DiskResult } from '../../core/ports/folder-disk.js';
import type { HistoryCopy, HistoryFile } from '../../core/ports/history-area.js';
import { AREA_NAME, type DirectoryAccess } from './directory-access.js';
import { attempt, codeOf, DiskFailure } from './disk-failure.js';
import { hashOpenFile } from './file-hashing.js';
import { type Location, locateArea, reach } from './location.js';
import { locatePartial } from './partial-files.js';
import { openRegular } from './regular-file.js';
import { toFileStat } from './stat-record.js';
import { copyOpenFile, finishCopy, makeArea, removeLeftover, UNSHARE_PREFIX } from './temp-steps.js';

const HISTORY = 'history' as AreaPath;
const TEMPS = 'tmp' as AreaPath;
const HISTORY_DIRECTORY = `${AREA_NAME}/${HISTORY}`;
/** Of a directory that is not to go: it holds something, or is gone. */
const STAYS: ReadonlySet<string | undefined> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT']);

export function takeHistoryCopy(access: DirectoryAccess, area: AreaPath): HistoryCopy {
  const location = locateHistory(area);
  const path = reach(access, location);
  const stats = lstatSync(path, { bigint: true });
  if (stats.isSymbolicLink()) {
    return { stat: toFileStat(stats), content: { type: 'symlink', target: readlinkSync(path) } };
  }
  const source = openRegular(path);
  try {
    makeArea(access, TEMPS);
    const copy = locateArea(`${TEMPS}/${UNSHARE_PREFIX}history-${stats.ino}` as AreaPath);
    removeLeftover(reach(access, copy));
    copyOpenFile(source.fd, reach(access, copy));
    const copied = openRegular(reach(access, copy));
    let content: HistoryCopy['content'] & { type: 'file' };
    try {
      content = hashOpenFile(copied, () => false);
    } finally {
      closeSync(copied.fd);
    }
    finishCopy(reach(access, copy), () => {});
    const partial = locatePartial(content.hash);
    renameSync(reach(access, copy), reach(access, partial));
    return { stat: toFileStat(source.stats), content };
  } finally {
    closeSync(source.fd);
  }
}

export function removeHistory(access: DirectoryAccess, areas: readonly AreaPath[]): DiskResult<undefined>[] {
  return areas.map((area) =>
    attempt(area, () => {
      const location = locateHistory(area);
      try {
        unlinkSync(reach(access, location));
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
      }
      removeEmptied(access, location.directory);
      return undefined;
    }),
  );
}

/** Files below `history/`, batch after batch in the order of their time, at most `limit`. */
export function listHistory(access: DirectoryAccess, limit: number): HistoryFile[] {
  const found: HistoryFile[] = [];
  const directories: AreaPath[] = [HISTORY];
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    // Last first out: what is read here comes in the order of its names.
    const below: AreaPath[] = [];
    for (const name of readNames(access, directory)) {
      if (found.length >= limit) return found;
      const area = `${directory}/${name}` as AreaPath;
      const stats = lstatSync(reach(access, locateArea(area)), { bigint: true, throwIfNoEntry: false });
      if (stats?.isDirectory()) below.push(area);
      else if (stats !== undefined) found.push({ area, stat: toFileStat(stats) });
    }
    directories.push(...below.reverse());
  }
  return found;
}

function readNames(access: DirectoryAccess, directory: AreaPath): string[] {
  try {
    return readdirSync(access.prefixOf(`${AREA_NAME}/${directory}`)).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function removeEmptied(access: DirectoryAccess, directory: string): void {
  let emptied = directory;
  while (emptied.startsWith(`${HISTORY_DIRECTORY}/`)) {
    const slash = emptied.lastIndexOf('/');
    try {
      rmdirSync(access.prefixOf(emptied.slice(0, slash)) + emptied.slice(slash + 1));
    } catch (error) {
      if (STAYS.has(codeOf(error))) return;
      throw error;
    }
    access.forget(emptied);
    emptied = emptied.slice(0, slash);
  }
}

function locateHistory(area: AreaPath): Location {
  if (!area.startsWith(`${HISTORY}/`)) throw new DiskFailure('EINVAL', 'not a path of history');
  return locateArea(area);
}
