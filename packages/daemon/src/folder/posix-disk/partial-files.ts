import {
  type BigIntStats,
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  readdirSync,
  unlinkSync,
} from 'node:fs';
import type { ChunkRef, Content } from '../../core/model/file-entry.js';
import { type ContentHash, parseContentHash } from '../../core/model/identifiers.js';
import type { AreaPath, CopyChunk, DiskResult } from '../../core/ports/folder-disk.js';
import { AREA_NAME, type DirectoryAccess } from './directory-access.js';
import { attempt, codeOf, DiskFailure } from './disk-failure.js';
import { type ByteRange, hashBytes, hashWhole, readChunk, scratchBytes } from './file-hashing.js';
import type { Touched } from './hashed-ahead.js';
import { type Location, locateArea, reach } from './location.js';
import { createRegular, openRegular, writeFully } from './regular-file.js';
import type { RunningAt, RunningHash } from './running-hashes.js';
import { SourceFile } from './source-file.js';

const SUFFIX = '.part';
const TEMP_DIRECTORY = `${AREA_NAME}/tmp`;

type FileContent = Content & { type: 'file' };

export interface ChunkToWrite {
  readonly offsetBytes: number;
  readonly chunk: ChunkRef;
  readonly bytes: Uint8Array;
}

export function locatePartial(hash: ContentHash): Location {
  return locateArea(`tmp/${hash}${SUFFIX}` as AreaPath);
}

export interface OpenedPartial {
  readonly present: readonly boolean[];
  readonly ctimeNs: bigint;
}

/** Which chunks the content's partial holds; makes it where there is none. */
export function openPartial(access: DirectoryAccess, content: FileContent): OpenedPartial {
  makeTempDirectory(access);
  const path = reach(access, locatePartial(content.hash));
  try {
    const fd = createRegular(path, 0o600);
    try {
      ftruncateSync(fd, content.sizeBytes);
      return { present: content.chunks.map(() => false), ctimeNs: changeTimeOf(fd) };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const { fd, stats } = openRegular(path, 'write');
  try {
    if (Number(stats.size) !== content.sizeBytes) ftruncateSync(fd, content.sizeBytes);
    const ctimeNs = changeTimeOf(fd);
    let offsetBytes = 0;
    const present = content.chunks.map((chunk) => {
      const isPresent = readChunk(fd, offsetBytes, chunk, scratchBytes());
      offsetBytes += chunk.lengthBytes;
      return isPresent;
    });
    return { present, ctimeNs };
  } finally {
    closeSync(fd);
  }
}

export interface WrittenChunks {
  readonly results: readonly DiskResult<'written' | 'wrong-hash'>[];
  readonly touched: Touched | undefined;
}

export function writeChunks(
  access: DirectoryAccess,
  hash: ContentHash,
  writes: readonly ChunkToWrite[],
): WrittenChunks {
  const partial = locatePartial(hash);
  const opened = attempt(partial.name, () => openRegular(reach(access, partial), 'write'));
  if (!opened.ok) return { results: writes.map(() => opened), touched: undefined };
  const { fd, stats } = opened.value;
  try {
    const results = writes.map(({ offsetBytes, chunk, bytes }) =>
      attempt(partial.name, () => {
        if (bytes.length !== chunk.lengthBytes || hashBytes(bytes) !== chunk.hash) return 'wrong-hash';
        if (offsetBytes < 0 || offsetBytes + bytes.length > Number(stats.size)) {
          throw new DiskFailure('EFBIG', 'a chunk beyond the end of its file');
        }
        writeFully(fd, bytes, offsetBytes);
        return 'written';
      }),
    );
    return { results, touched: touchedSince(stats, fd) };
  } finally {
    closeSync(fd);
  }
}

export interface CopiedChunks {
  readonly copied: readonly boolean[];
  readonly touched: Touched | undefined;
}

/** What cannot be read, is no longer right or cannot be written counts as not copied: it is fetched. */
export function copyChunks(
  access: DirectoryAccess,
  hash: ContentHash,
  copies: readonly CopyChunk[],
): CopiedChunks {
  const partial = locatePartial(hash);
  const opened = attempt(partial.name, () => openRegular(reach(access, partial), 'write'));
  if (!opened.ok) return { copied: copies.map(() => false), touched: undefined };
  const { fd, stats } = opened.value;
  const source = new SourceFile(access);
  try {
    const copied = copies.map(({ from, offsetBytes, chunk }) => {
      if (offsetBytes < 0 || offsetBytes + chunk.lengthBytes > Number(stats.size)) return false;
      const result = attempt(from.path, () => {
        const bytes = scratchBytes();
        if (!readChunk(source.open(from.path), from.offsetBytes, chunk, bytes)) return false;
        writeFully(fd, bytes.subarray(0, chunk.lengthBytes), offsetBytes);
        return true;
      });
      return result.ok && result.value;
    });
    return { copied, touched: touchedSince(stats, fd) };
  } finally {
    source.close();
    closeSync(fd);
  }
}

/** Hashes a part of it, of which all before was hashed by this thread. */
export function hashAhead(
  access: DirectoryAccess,
  hash: ContentHash,
  { fromBytes, untilBytes }: ByteRange,
  running: RunningAt,
): void {
  const { fd, stats } = openRegular(reach(access, locatePartial(hash)));
  try {
    running.hashes.at(running.key, stats.ino, fromBytes).advance(fd, untilBytes);
  } finally {
    closeSync(fd);
  }
}

/** `ahead`: what was hashed of it already, which counts if the partial did not change since that time. */
export function finishPartial(
  access: DirectoryAccess,
  content: FileContent,
  ahead?: { readonly running: RunningHash; readonly soundAtNs: bigint },
): 'complete' | 'wrong-hash' {
  const { fd, stats } = openRegular(reach(access, locatePartial(content.hash)), 'write');
  try {
    if (Number(stats.size) !== content.sizeBytes) return 'wrong-hash';
    // A single chunk has the file's hash, and was checked when it was written.
    if (content.chunks.length > 1) {
      const isSound = ahead?.soundAtNs === stats.ctimeNs && ahead.running.inode === stats.ino;
      const isRight = isSound && digestOf(fd, content.sizeBytes, ahead.running) === content.hash;
      if (!isRight && hashWhole(fd, content.sizeBytes) !== content.hash) return 'wrong-hash';
    }
    fdatasyncSync(fd);
    return 'complete';
  } finally {
    closeSync(fd);
  }
}

function digestOf(fd: number, sizeBytes: number, running: RunningHash): ContentHash | undefined {
  return running.advance(fd, sizeBytes) && running.positionBytes === sizeBytes ? running.digest() : undefined;
}

export function discardPartial(access: DirectoryAccess, hash: ContentHash): void {
  try {
    unlinkSync(reach(access, locatePartial(hash)));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

export function listPartials(access: DirectoryAccess): ContentHash[] {
  makeTempDirectory(access);
  return readdirSync(access.prefixOf(TEMP_DIRECTORY)).flatMap((name) => {
    const hash = name.endsWith(SUFFIX) ? parseContentHash(name.slice(0, -SUFFIX.length)) : undefined;
    return hash === undefined ? [] : [hash];
  });
}

function touchedSince(before: BigIntStats, fd: number): Touched {
  return { beforeNs: before.ctimeNs, afterNs: changeTimeOf(fd) };
}

function changeTimeOf(fd: number): bigint {
  return fstatSync(fd, { bigint: true }).ctimeNs;
}

function makeTempDirectory(access: DirectoryAccess): void {
  try {
    access.prefixOf(TEMP_DIRECTORY);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    mkdirSync(`${access.prefixOf(AREA_NAME)}tmp`, 0o700);
  }
}
