import type { ReadChunk } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { attempt } from './disk-failure.js';
import { readChunk } from './file-hashing.js';
import { SourceFile } from './source-file.js';

/** Chunks one after another in one buffer; -1 as offset of those that could not be had. */
export interface PackedChunks {
  readonly bytes: Uint8Array;
  readonly offsets: readonly number[];
}

export function readChunks(
  access: DirectoryAccess,
  requests: readonly ReadChunk[],
  into: SharedArrayBuffer | undefined,
): PackedChunks {
  const total = requests.reduce((sum, request) => sum + Math.max(0, request.chunk.lengthBytes), 0);
  const fits = into !== undefined && into.byteLength >= total;
  const bytes = fits ? new Uint8Array(into, 0, total) : new Uint8Array(total);
  const source = new SourceFile(access);
  let filled = 0;
  try {
    const offsets = requests.map(({ path, offsetBytes, chunk }) => {
      const at = filled;
      const read = attempt(path, () =>
        readChunk(source.open(path), offsetBytes, chunk, bytes.subarray(at, at + chunk.lengthBytes)),
      );
      if (!read.ok || !read.value) return -1;
      filled += chunk.lengthBytes;
      return at;
    });
    return { bytes, offsets };
  } finally {
    source.close();
  }
}
