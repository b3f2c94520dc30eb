import { closeSync, fstatSync } from 'node:fs';
import type { ChunkRef } from '../../core/model/file-entry.js';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { FileStat } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { DiskFailure } from './disk-failure.js';
import { type ByteRange, changedMeanwhile, cutFile, hashWhole, isExpected } from './file-hashing.js';
import { locateEntry, reach } from './location.js';
import { isUntouched, type OpenFile, openRegular } from './regular-file.js';
import { toFileStat } from './stat-record.js';

/** Chunks of a part of a file, as if the first of them began a file. */
export interface ChunkedRange {
  readonly stat: FileStat;
  readonly chunks: readonly ChunkRef[];
  /** Where the last of them ends: at or behind the end of the range, or at the end of the file. */
  readonly endBytes: number;
}

/** Cuts and hashes a file from `fromBytes` on, until a chunk ends at or behind `untilBytes`. */
export function chunkRange(
  access: DirectoryAccess,
  path: RelativePath,
  expected: FileStat,
  range: ByteRange,
): ChunkedRange {
  return readUntouched(access, path, expected, ({ fd }) => cutFile(fd, expected.sizeBytes, range, () => {}));
}

/** BLAKE3 of the whole file. */
export function hashWholeFile(
  access: DirectoryAccess,
  path: RelativePath,
  expected: FileStat,
  isAborted: () => boolean,
): { readonly stat: FileStat; readonly hash: ContentHash } {
  return readUntouched(access, path, expected, (file) => {
    if (isAborted()) throw new DiskFailure('aborted', 'hashing was given up');
    return { hash: hashWhole(file.fd, expected.sizeBytes) };
  });
}

function readUntouched<T extends object>(
  access: DirectoryAccess,
  path: RelativePath,
  expected: FileStat,
  read: (file: OpenFile) => T,
): T & { readonly stat: FileStat } {
  const file = openRegular(reach(access, locateEntry(path)));
  try {
    if (!isExpected(file.stats, expected)) throw changedMeanwhile();
    const result = read(file);
    const after = fstatSync(file.fd, { bigint: true });
    if (!isUntouched(file.stats, after)) throw changedMeanwhile();
    return { ...result, stat: toFileStat(after) };
  } finally {
    closeSync(file.fd);
  }
}
