import type { IndexCounts } from '../core/ports/content-index.js';
import { type RowFacts, Stands } from './row-facts.js';

export const NO_COUNTS: IndexCounts = {
  files: 0,
  directories: 0,
  bytes: 0,
  needFiles: 0,
  needBytes: 0,
  conflicts: 0,
};

/**
 * What one row adds to the counts. Symlinks count as files; `needFiles` counts every path that is not yet as it should
 * be, whatever its type, so that zero means that nothing is left to do.
 */
export function countsOfFacts(facts: RowFacts): IndexCounts {
  return {
    files: facts.stands === Stands.file || facts.stands === Stands.symlink ? 1 : 0,
    directories: facts.stands === Stands.directory ? 1 : 0,
    bytes: facts.heldFile?.sizeBytes ?? 0,
    needFiles: facts.needed ? 1 : 0,
    needBytes: facts.needBytes,
    conflicts: facts.conflict ? 1 : 0,
  };
}

export function addCounts(a: IndexCounts, b: IndexCounts): IndexCounts {
  return {
    files: a.files + b.files,
    directories: a.directories + b.directories,
    bytes: a.bytes + b.bytes,
    needFiles: a.needFiles + b.needFiles,
    needBytes: a.needBytes + b.needBytes,
    conflicts: a.conflicts + b.conflicts,
  };
}

/** `a` without `b`. */
export function subtractCounts(a: IndexCounts, b: IndexCounts): IndexCounts {
  return {
    files: a.files - b.files,
    directories: a.directories - b.directories,
    bytes: a.bytes - b.bytes,
    needFiles: a.needFiles - b.needFiles,
    needBytes: a.needBytes - b.needBytes,
    conflicts: a.conflicts - b.conflicts,
  };
}
