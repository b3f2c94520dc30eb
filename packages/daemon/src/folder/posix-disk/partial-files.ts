import { closeSync, fdatasyncSync, ftruncateSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import type { ChunkRef, Content } from '../../core/model/file-entry.js';
import { type ContentHash, parseContentHash } from '../../core/model/identifiers.js';
import type { AreaPath, CopyChunk, DiskResult } from '../../core/ports/folder-disk.js';
import { AREA_NAME, type DirectoryAccess } from './directory-access.js';
import { attempt, codeOf, DiskFailure } from './disk-failure.js';
import { hashBytes, hashWhole, readChunk, scratchBytes } from './file-hashing.js';
import { type Location, locateArea, reach } from './location.js';
import { createRegular, openRegular, writeFully } from './regular-file.js';
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

/** Which chunks the content's partial holds; makes it where there is none. */
export function openPartial(access: DirectoryAccess, content: FileContent): boolean[] {
  makeTempDirectory(access);
  const path = reach(access, locatePartial(content.hash));
  try {
    const fd = createRegular(path, 0o600);
    try {
      ftruncateSync(fd, content.sizeBytes);
    } finally {
      closeSync(fd);
    }
    return content.chunks.map(() => false);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const { fd, stats } = openRegular(path, 'write');
  try {
    if (Number(stats.size) !== content.sizeBytes) ftruncateSync(fd, content.sizeBytes);
    let offsetBytes = 0;
    return content.chunks.map((chunk) => {
      const isPresent = readChunk(fd, offsetBytes, chunk, scratchBytes());
      offsetBytes += chunk.lengthBytes;
      return isPresent;
    });
  } finally {
    closeSync(fd);
  }
}

export function writeChunks(
  access: DirectoryAccess,
  hash: ContentHash,
  writes: readonly ChunkToWrite[],
): DiskResult<'written' | 'wrong-hash'>[] {
  const partial = locatePartial(hash);
  const opened = attempt(partial.name, () => openRegular(reach(access, partial), 'write'));
  if (!opened.ok) return writes.map(() => opened);
  const { fd, stats } = opened.value;
  try {
    return writes.map(({ offsetBytes, chunk, bytes }) =>
      attempt(partial.name, () => {
        if (bytes.length !== chunk.lengthBytes || hashBytes(bytes) !== chunk.hash) return 'wrong-hash';
        if (offsetBytes < 0 || offsetBytes + bytes.length > Number(stats.size)) {
          throw new DiskFailure('EFBIG', 'a chunk beyond the end of its file');
        }
        writeFully(fd, bytes, offsetBytes);
        return 'written';
      }),
    );
  } finally {
    closeSync(fd);
  }
}

/** What cannot be read, is no longer right or cannot be written counts as not copied: it is fetched. */
export function copyChunks(
  access: DirectoryAccess,
  hash: ContentHash,
  copies: readonly CopyChunk[],
): boolean[] {
  const partial = locatePartial(hash);
  const opened = attempt(partial.name, () => openRegular(reach(access, partial), 'write'));
  if (!opened.ok) return copies.map(() => false);
  const { fd, stats } = opened.value;
  const source = new SourceFile(access);
  try {
    return copies.map(({ from, offsetBytes, chunk }) => {
      if (offsetBytes < 0 || offsetBytes + chunk.lengthBytes > Number(stats.size)) return false;
      const copied = attempt(from.path, () => {
        const bytes = scratchBytes();
        if (!readChunk(source.open(from.path), from.offsetBytes, chunk, bytes)) return false;
        writeFully(fd, bytes.subarray(0, chunk.lengthBytes), offsetBytes);
        return true;
      });
      return copied.ok && copied.value;
    });
  } finally {
    source.close();
    closeSync(fd);
  }
}

export function finishPartial(access: DirectoryAccess, content: FileContent): 'complete' | 'wrong-hash' {
  const { fd, stats } = openRegular(reach(access, locatePartial(content.hash)), 'write');
  try {
    if (Number(stats.size) !== content.sizeBytes) return 'wrong-hash';
    // A single chunk has the file's hash, and was checked when it was written.
    if (content.chunks.length > 1 && hashWhole(fd, content.sizeBytes) !== content.hash) return 'wrong-hash';
    fdatasyncSync(fd);
    return 'complete';
  } finally {
    closeSync(fd);
  }
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

function makeTempDirectory(access: DirectoryAccess): void {
  try {
    access.prefixOf(TEMP_DIRECTORY);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    mkdirSync(`${access.prefixOf(AREA_NAME)}tmp`, 0o700);
  }
}
