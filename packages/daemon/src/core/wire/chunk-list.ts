import type { ChunkRef } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';
import { asBytes, malformed } from './fields.js';
import { readU32, toHex, writeHex, writeU32 } from './hex.js';
import { Limits } from './limits.js';

const HASH_BYTES = 32;
/** A chunk in a packed list: its hash and its length as u32, big-endian. */
export const PACKED_CHUNK_BYTES = HASH_BYTES + 4;

/** Chunks as one byte string: millions of them as CBOR items of their own would cost ten times as much to read. */
export function packChunks(chunks: readonly ChunkRef[]): Uint8Array {
  const packed = new Uint8Array(chunks.length * PACKED_CHUNK_BYTES);
  let offset = 0;
  for (const chunk of chunks) {
    if (!writeHex(chunk.hash, HASH_BYTES, packed, offset)) throw malformed('chunk hash', '32 bytes in hex');
    writeU32(chunk.lengthBytes, packed, offset + HASH_BYTES);
    offset += PACKED_CHUNK_BYTES;
  }
  return packed;
}

export function unpackChunks(value: unknown, maxChunks: number): ChunkRef[] {
  const packed = asBytes(value, 'chunk list', maxChunks * PACKED_CHUNK_BYTES);
  if (packed.length % PACKED_CHUNK_BYTES !== 0) throw malformed('chunk list', 'whole chunks');
  const chunks: ChunkRef[] = [];
  for (let offset = 0; offset < packed.length; offset += PACKED_CHUNK_BYTES) {
    const hash = toHex(packed, offset, offset + HASH_BYTES) as ContentHash;
    chunks.push({ hash, lengthBytes: readU32(packed, offset + HASH_BYTES) });
  }
  return chunks;
}

export function packHashes(hashes: readonly ContentHash[]): Uint8Array {
  const packed = new Uint8Array(hashes.length * HASH_BYTES);
  for (const [i, hash] of hashes.entries()) {
    if (!writeHex(hash, HASH_BYTES, packed, i * HASH_BYTES)) throw malformed('hash', '32 bytes in hex');
  }
  return packed;
}

export function unpackHashes(value: unknown, name: string, maxHashes: number): ContentHash[] {
  const packed = asBytes(value, name, maxHashes * HASH_BYTES);
  if (packed.length % HASH_BYTES !== 0) throw malformed(name, 'whole hashes');
  const hashes: ContentHash[] = [];
  for (let offset = 0; offset < packed.length; offset += HASH_BYTES) {
    hashes.push(toHex(packed, offset, offset + HASH_BYTES) as ContentHash);
  }
  return hashes;
}

export type ChunkFlaw =
  | 'no-chunks'
  | 'chunk-without-bytes'
  | 'chunk-too-long'
  | 'chunks-do-not-add-up'
  | 'too-many-chunks'
  | 'hash-of-single-chunk-differs'
  | 'hash-of-empty-file';

/** BLAKE3 of no bytes. */
export const EMPTY_CONTENT_HASH =
  'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262' as ContentHash;

/** What keeps these chunks from being those of a file of that size and hash. */
export function findChunkFlaw(
  sizeBytes: number,
  hash: ContentHash,
  chunks: readonly ChunkRef[],
): ChunkFlaw | undefined {
  if (sizeBytes === 0) {
    if (chunks.length > 0) return 'chunks-do-not-add-up';
    return hash === EMPTY_CONTENT_HASH ? undefined : 'hash-of-empty-file';
  }
  if (chunks.length === 0) return 'no-chunks';
  if (chunks.length > Limits.chunksPerFile) return 'too-many-chunks';
  let sum = 0;
  for (const { lengthBytes } of chunks) {
    if (!(lengthBytes > 0)) return 'chunk-without-bytes';
    if (lengthBytes > Limits.chunkBytes) return 'chunk-too-long';
    sum += lengthBytes;
  }
  if (sum !== sizeBytes) return 'chunks-do-not-add-up';
  if (chunks.length === 1 && chunks[0]?.hash !== hash) return 'hash-of-single-chunk-differs';
  return undefined;
}
