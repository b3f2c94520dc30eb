import { closeSync, fstatSync } from 'node:fs';
import type { ChunkRef } from '../../core/model/file-entry.js';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { FileStat } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { type ByteRange, changedMeanwhile, cutFile, isExpected } from './file-hashing.js';
import { locateEntry, reach } from './location.js';
import { isUntouched, type OpenFile, openRegular } from './regular-file.js';
import type { RunningAt } from './running-hashes.js';
import { toFileStat } from './stat-record.js';

/** Chunks of a part of a file, as if the first of them began a file. */
export interface ChunkedRange {
  readonly stat: FileStat;
  readonly chunks: readonly ChunkRef[];
  /** Where the last of them ends: at or behind the end of the range, or at the end of the file. */
  readonly endBytes: number;
  /** Of the whole file, where it went on with what was read and that was the end. */
  readonly hash: ContentHash | undefined;
}

/**
 * Cuts and hashes a file from `fromBytes` on, until a chunk ends at or behind `untilBytes`. With `running`, the file's hash
 * goes on with the same bytes; it must have seen all before them.
 */
export function chunkRange(
  access: DirectoryAccess,
  path: RelativePath,
  expected: FileStat,
  range: ByteRange,
  running?: RunningAt,
): ChunkedRange {
  return readUntouched(access, path, expected, ({ fd, stats }) => {
    const whole = running?.hashes.at(running.key, stats.ino, range.fromBytes);
    let atBytes = range.fromBytes;
    const cut = cutFile(fd, expected.sizeBytes, range, (block) => {
      whole?.take(block, atBytes);
      atBytes += block.length;
    });
    const isWhole = whole?.positionBytes === expected.sizeBytes;
    return { ...cut, hash: isWhole ? running?.hashes.take(running.key)?.digest() : undefined };
  });
}

/** Goes on with a file's hash, without chunks; it must have seen all before the range. */
export function hashRange(
  access: DirectoryAccess,
  path: RelativePath,
  expected: FileStat,
  { fromBytes, untilBytes }: ByteRange,
  running: RunningAt,
): { readonly stat: FileStat } {
  return readUntouched(access, path, expected, ({ fd, stats }) => {
    const whole = running.hashes.at(running.key, stats.ino, fromBytes);
    if (!whole.advance(fd, untilBytes)) throw changedMeanwhile();
    return {};
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
