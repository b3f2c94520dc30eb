import { closeSync, fstatSync } from 'node:fs';
import { Chunker, chunkParameters } from '../../core/chunking/fastcdc.js';
import type { ChunkRef } from '../../core/model/file-entry.js';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { FileStat } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { DiskFailure } from './disk-failure.js';
import { changedMeanwhile, hashBytes, hashWhole, isExpected, scratchBytes } from './file-hashing.js';
import { locateEntry, reach } from './location.js';
import { isUntouched, type OpenFile, openRegular, readFully } from './regular-file.js';
import { toFileStat } from './stat-record.js';

/** Chunks of a part of a file, as if the first of them began a file. */
export interface ChunkedRange {
  readonly stat: FileStat;
  readonly chunks: readonly ChunkRef[];
  /** Where the last of them ends: at or behind the end of the range, or at the end of the file. */
  readonly endBytes: number;
}

export interface ByteRange {
  readonly fromBytes: number;
  readonly untilBytes: number;
}

const READ_BYTES = 1024 * 1024;

/** Cuts and hashes a file from `fromBytes` on, until a chunk ends at or behind `untilBytes`. */
export function chunkRange(
  access: DirectoryAccess,
  path: RelativePath,
  expected: FileStat,
  { fromBytes, untilBytes }: ByteRange,
): ChunkedRange {
  return readUntouched(access, path, expected, (file) => {
    const sizeBytes = expected.sizeBytes;
    const parameters = chunkParameters(sizeBytes);
    const chunker = new Chunker(parameters);
    const buffer = scratchBytes();
    const chunks: ChunkRef[] = [];
    let endBytes = fromBytes;
    let position = fromBytes;
    let filled = 0;
    const emitAt = (bufferEnd: number, lengthBytes: number) => {
      chunks.push({ hash: hashBytes(buffer.subarray(bufferEnd - lengthBytes, bufferEnd)), lengthBytes });
      endBytes += lengthBytes;
    };
    while (position < sizeBytes && endBytes < untilBytes) {
      if (buffer.length - filled < READ_BYTES) {
        // A chunk that ends in the next block may begin so far back.
        buffer.copyWithin(0, filled - parameters.maxBytes, filled);
        filled = parameters.maxBytes;
      }
      const block = buffer.subarray(filled, filled + Math.min(READ_BYTES, sizeBytes - position));
      if (readFully(file.fd, block, position) !== block.length) throw changedMeanwhile();
      const blockStart = filled;
      position += block.length;
      filled += block.length;
      chunker.push(block, (lengthBytes, end) => emitAt(blockStart + end, lengthBytes));
    }
    if (position >= sizeBytes) chunker.finish((lengthBytes) => emitAt(filled, lengthBytes));
    return { chunks, endBytes };
  });
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
