import { type BigIntStats, closeSync, fstatSync } from 'node:fs';
import { Blake3Hasher, blake3 } from '@napi-rs/blake-hash';
import { Chunker, chunkParameters } from '../../core/chunking/fastcdc.js';
import type { ChunkRef, Content } from '../../core/model/file-entry.js';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { FileStat, HashedFile } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { DiskFailure } from './disk-failure.js';
import { locateEntry, reach } from './location.js';
import { isUntouched, type OpenFile, openRegular, readFully } from './regular-file.js';
import { toFileStat } from './stat-record.js';

const MEBIBYTE = 1024 * 1024;
/** Small enough that what was read is still in the cache when it is hashed twice and cut. */
export const READ_BYTES = MEBIBYTE;
const BUFFER_BYTES = 12 * MEBIBYTE;
const MAX_CHUNK_BYTES = 4 * MEBIBYTE;

/** One a thread: everything in here is synchronous. Made when first needed. */
let scratch: Buffer | undefined;

/** At least 4 MiB that are good until the next call into this file. */
export function scratchBytes(): Buffer {
  scratch ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
  return scratch;
}

export function hashBytes(bytes: Uint8Array): ContentHash {
  return blake3(bytes).toString('hex') as ContentHash;
}

/**
 * Reads the file once: chunks, their hashes, the file's hash. Throws `changed-meanwhile` where it is not what was
 * expected, or moved while it was read, and `aborted`.
 */
export function hashFile(
  access: DirectoryAccess,
  path: RelativePath,
  expected: FileStat,
  isAborted: () => boolean,
): HashedFile {
  const file = openRegular(reach(access, locateEntry(path)));
  try {
    if (!isExpected(file.stats, expected)) throw changedMeanwhile();
    const content = hashOpenFile(file, isAborted);
    const after = fstatSync(file.fd, { bigint: true });
    if (!isUntouched(file.stats, after)) throw changedMeanwhile();
    return { stat: toFileStat(after), content };
  } finally {
    closeSync(file.fd);
  }
}

/** BLAKE3 of an open file's bytes, without chunks. */
export function hashWhole(fd: number, sizeBytes: number): ContentHash {
  const buffer = scratchBytes().subarray(0, READ_BYTES);
  if (sizeBytes <= buffer.length) return hashBytes(buffer.subarray(0, readFully(fd, buffer, 0)));
  const hasher = new Blake3Hasher();
  for (let position = 0; ; ) {
    const count = readFully(fd, buffer, position);
    if (count === 0) break;
    hasher.update(buffer.subarray(0, count));
    position += count;
  }
  return hasher.digestBuffer().toString('hex') as ContentHash;
}

/** Reads one chunk to the start of `into`, and says whether it is the one that was asked for. */
export function readChunk(fd: number, offsetBytes: number, chunk: ChunkRef, into: Uint8Array): boolean {
  if (chunk.lengthBytes <= 0 || chunk.lengthBytes > Math.min(into.length, MAX_CHUNK_BYTES)) return false;
  const bytes = into.subarray(0, chunk.lengthBytes);
  return readFully(fd, bytes, offsetBytes) === chunk.lengthBytes && hashBytes(bytes) === chunk.hash;
}

export interface ByteRange {
  readonly fromBytes: number;
  readonly untilBytes: number;
}

/**
 * Cuts and hashes an open file from `fromBytes` on, until a chunk ends at or behind `untilBytes` or the file does, where
 * `endBytes` is. `onBlock` sees all that is read, in order.
 */
export function cutFile(
  fd: number,
  sizeBytes: number,
  { fromBytes, untilBytes }: ByteRange,
  onBlock: (block: Uint8Array) => void,
): { readonly chunks: readonly ChunkRef[]; readonly endBytes: number } {
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
    if (readFully(fd, block, position) !== block.length) throw changedMeanwhile();
    onBlock(block);
    const blockStart = filled;
    position += block.length;
    filled += block.length;
    chunker.push(block, (lengthBytes, end) => emitAt(blockStart + end, lengthBytes));
  }
  if (position >= sizeBytes) chunker.finish((lengthBytes) => emitAt(filled, lengthBytes));
  return { chunks, endBytes };
}

/** Chunks, their hashes and the hash of an open file. Throws `aborted`. */
export function hashOpenFile(file: OpenFile, isAborted: () => boolean): Content & { type: 'file' } {
  const sizeBytes = Number(file.stats.size);
  if (sizeBytes <= chunkParameters(sizeBytes).minBytes) return hashOneChunk(file.fd, sizeBytes);
  const whole = new Blake3Hasher();
  const { chunks } = cutFile(file.fd, sizeBytes, { fromBytes: 0, untilBytes: sizeBytes }, (block) => {
    if (isAborted()) throw new DiskFailure('aborted', 'hashing was given up');
    whole.update(block);
  });
  const hash = whole.digestBuffer().toString('hex') as ContentHash;
  return { type: 'file', sizeBytes, hash, chunks };
}

function hashOneChunk(fd: number, sizeBytes: number): Content & { type: 'file' } {
  const bytes = scratchBytes().subarray(0, sizeBytes);
  if (readFully(fd, bytes, 0) !== sizeBytes) throw changedMeanwhile();
  const hash = hashBytes(bytes);
  return { type: 'file', sizeBytes, hash, chunks: sizeBytes === 0 ? [] : [{ hash, lengthBytes: sizeBytes }] };
}

export function isExpected(stats: BigIntStats, expected: FileStat): boolean {
  return (
    expected.type === 'file' &&
    stats.ino === expected.inode &&
    Number(stats.size) === expected.sizeBytes &&
    stats.mtimeNs === expected.mtimeNs
  );
}

export function changedMeanwhile(): DiskFailure {
  return new DiskFailure('changed-meanwhile', 'the file changed while it was read');
}
