import type { Content } from '../../packages/daemon/src/core/model/file-entry.js';
import { type ContentHash, parseContentHash } from '../../packages/daemon/src/core/model/identifiers.js';
import type { CopyChunk, WriteChunk } from '../../packages/daemon/src/core/ports/folder-disk.js';
import { DiskFailure } from '../../packages/daemon/src/folder/posix-disk/disk-failure.js';
import type { Inode, MemoryFileSystem } from './memory-file-system.js';
import { AREA, entryPath, hashOfBytes, mustBeFile } from './memory-places.js';

type FileContent = Content & { type: 'file' };

const TEMPS = `${AREA}/tmp`;
const SUFFIX = '.part';

export function partialPath(hash: ContentHash): string {
  return `${TEMPS}/${hash}${SUFFIX}`;
}

/** The partial files of contents on their way. */
export class MemoryPartials {
  constructor(private readonly files: MemoryFileSystem) {}

  open(content: FileContent): { readonly present: readonly boolean[] } {
    ensureTemps(this.files);
    const path = partialPath(content.hash);
    const known = this.files.lookUp(path);
    const partial = known ?? this.files.createFile(path, new Uint8Array(content.sizeBytes), 0o600);
    if (partial.bytes.length !== content.sizeBytes) {
      const sized = new Uint8Array(content.sizeBytes);
      sized.set(partial.bytes.subarray(0, content.sizeBytes));
      this.files.write(partial, sized);
    }
    let offset = 0;
    const present = content.chunks.map(({ hash, lengthBytes }) => {
      const bytes = partial.bytes.subarray(offset, offset + lengthBytes);
      offset += lengthBytes;
      return known !== undefined && hashOfBytes(bytes) === hash;
    });
    return { present };
  }

  write(hash: ContentHash, write: WriteChunk | undefined): 'written' | 'wrong-hash' {
    const partial = this.find(hash);
    if (write === undefined) throw new DiskFailure('EINVAL', 'no chunk');
    const { bytes, chunk, offsetBytes } = write;
    if (bytes.length !== chunk.lengthBytes || hashOfBytes(Uint8Array.from(bytes)) !== chunk.hash)
      return 'wrong-hash';
    if (offsetBytes < 0 || offsetBytes + bytes.length > partial.bytes.length) {
      throw new DiskFailure('EFBIG', 'a chunk beyond the end of its file');
    }
    this.put(partial, bytes, offsetBytes);
    return 'written';
  }

  copy(hash: ContentHash, copy: CopyChunk | undefined): boolean {
    const partial = this.find(hash);
    if (copy === undefined) return false;
    const { from, chunk, offsetBytes } = copy;
    const source = mustBeFile(this.files.lookUp(entryPath(from.path)));
    const bytes = source.bytes.subarray(from.offsetBytes, from.offsetBytes + chunk.lengthBytes);
    if (hashOfBytes(bytes) !== chunk.hash || offsetBytes + bytes.length > partial.bytes.length) return false;
    this.put(partial, bytes, offsetBytes);
    return true;
  }

  finish(content: FileContent): 'complete' | 'wrong-hash' {
    const partial = this.find(content.hash);
    if (partial.bytes.length !== content.sizeBytes) return 'wrong-hash';
    if (content.chunks.length > 1 && hashOfBytes(partial.bytes) !== content.hash) return 'wrong-hash';
    this.files.flush(partial);
    return 'complete';
  }

  discard(hash: ContentHash): void {
    if (this.files.lookUp(partialPath(hash)) !== undefined) this.files.unlink(partialPath(hash));
  }

  list(): readonly ContentHash[] {
    ensureTemps(this.files);
    return [...this.files.directoryAt(TEMPS).entries.keys()].flatMap((name) => {
      const hash = name.endsWith(SUFFIX) ? parseContentHash(name.slice(0, -SUFFIX.length)) : undefined;
      return hash === undefined ? [] : [hash];
    });
  }

  private find(hash: ContentHash): Inode {
    return mustBeFile(this.files.lookUp(partialPath(hash)));
  }

  private put(partial: Inode, bytes: Uint8Array, offset: number): void {
    const next = Uint8Array.from(partial.bytes);
    next.set(bytes, offset);
    this.files.write(partial, next);
  }
}

export function ensureTemps(files: MemoryFileSystem): void {
  if (files.lookUp(TEMPS) === undefined) files.makeDirectory(TEMPS, 0o700);
}
