import { GEAR_TABLE } from './gear-table.js';

/** Where a file may be cut: never before `minBytes` of a chunk, always at `maxBytes`, mostly around `averageBytes`. */
export interface ChunkParameters {
  readonly minBytes: number;
  /** A power of two. Before it a boundary needs two more bits of the hash, from it on two fewer (normalisation). */
  readonly averageBytes: number;
  readonly maxBytes: number;
}

const KIB = 1024;
const GIB = 1024 ** 3;

const USUAL: ChunkParameters = { minBytes: 64 * KIB, averageBytes: 256 * KIB, maxBytes: 1024 * KIB };
const LARGE: ChunkParameters = { minBytes: 256 * KIB, averageBytes: 1024 * KIB, maxBytes: 4096 * KIB };
const LARGE_FILE_BYTES = 4 * GIB;

/** Parameters for a file of that size: part of the protocol. A file of at most 64 KiB is one chunk by them. */
export function chunkParameters(fileSizeBytes: number): ChunkParameters {
  return fileSizeBytes < LARGE_FILE_BYTES ? USUAL : LARGE;
}

const NORMALISATION_BITS = 2;
/** How many bytes a 32-bit gear hash remembers: each byte shifts what came before by one bit. */
const WINDOW_BYTES = 32;

const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** `end` is where the chunk ends within the bytes just pushed; the chunk may have begun in earlier ones. */
export type EmitChunk = (lengthBytes: number, end: number) => void;

/**
 * Cuts a stream of bytes into content-defined chunks (FastCDC with normalisation). Holds no bytes, only the rolling hash:
 * the same bytes give the same chunks however they are divided among calls.
 */
export class Chunker {
  private readonly strictMask: number;
  private readonly looseMask: number;
  private hash = 0;
  private length = 0;

  constructor(private readonly parameters: ChunkParameters) {
    const bits = Math.log2(parameters.averageBytes);
    this.strictMask = highBits(bits + NORMALISATION_BITS);
    this.looseMask = highBits(bits - NORMALISATION_BITS);
  }

  push(bytes: Uint8Array, emit: EmitChunk): void {
    for (let start = 0; start < bytes.length; ) {
      const end = this.advance(bytes, start);
      if (end < 0) return;
      const lengthBytes = this.length;
      this.reset();
      emit(lengthBytes, end);
      start = end;
    }
  }

  /** Emits what is left as the last chunk, with `end` 0. */
  finish(emit: EmitChunk): void {
    const lengthBytes = this.length;
    this.reset();
    if (lengthBytes > 0) emit(lengthBytes, 0);
  }

  /** Takes bytes up to the next boundary and returns where it is; -1 when it lies beyond the end. */
  private advance(bytes: Uint8Array, start: number): number {
    const { minBytes, averageBytes, maxBytes } = this.parameters;
    // Bytes further than a window before the first place to cut cannot be seen in the hash.
    const warmUpAt = Math.max(0, minBytes - WINDOW_BYTES);
    for (let position = start; position < bytes.length; ) {
      const length = this.length;
      if (length < warmUpAt) {
        const skipped = Math.min(bytes.length - position, warmUpAt - length);
        this.length += skipped;
        position += skipped;
        continue;
      }
      const phaseEnd = length < minBytes ? minBytes : length < averageBytes ? averageBytes : maxBytes;
      const stop = Math.min(bytes.length, position + phaseEnd - length);
      let cut = -1;
      if (length < minBytes) this.hash = warmUp(this.hash, bytes, position, stop);
      else cut = this.roll(bytes, position, stop, length < averageBytes ? this.strictMask : this.looseMask);
      const reached = cut < 0 ? stop : cut;
      this.length = length + reached - position;
      if (cut >= 0 || this.length === maxBytes) return reached;
      position = reached;
    }
    return -1;
  }

  /** The place after the first byte at which the masked hash is zero, or -1. */
  private roll(bytes: Uint8Array, start: number, end: number, mask: number): number {
    if (!IS_LITTLE_ENDIAN) return this.rollBytes(bytes, start, end, mask);
    const toAlignment = -(bytes.byteOffset + start) & 3;
    const wordsStart = Math.min(end, start + toAlignment);
    const wordsEnd = wordsStart + ((end - wordsStart) & ~3);
    let cut = this.rollBytes(bytes, start, wordsStart, mask);
    if (cut < 0 && wordsEnd > wordsStart) cut = this.rollWords(bytes, wordsStart, wordsEnd, mask);
    return cut < 0 ? this.rollBytes(bytes, wordsEnd, end, mask) : cut;
  }

  private rollBytes(bytes: Uint8Array, start: number, end: number, mask: number): number {
    let hash = this.hash;
    for (let i = start; i < end; i++) {
      hash = ((hash << 1) + (GEAR_TABLE[bytes[i] as number] as number)) | 0;
      if ((hash & mask) === 0) return i + 1;
    }
    this.hash = hash;
    return -1;
  }

  /** The same for whole words. This loop is what chunking costs: reading four bytes at a time makes it twice as fast. */
  private rollWords(bytes: Uint8Array, start: number, end: number, mask: number): number {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, (end - start) >> 2);
    const gear = GEAR_TABLE;
    let hash = this.hash;
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      hash = ((hash << 1) + (gear[word & 255] as number)) | 0;
      if ((hash & mask) === 0) return start + i * 4 + 1;
      hash = ((hash << 1) + (gear[(word >>> 8) & 255] as number)) | 0;
      if ((hash & mask) === 0) return start + i * 4 + 2;
      hash = ((hash << 1) + (gear[(word >>> 16) & 255] as number)) | 0;
      if ((hash & mask) === 0) return start + i * 4 + 3;
      hash = ((hash << 1) + (gear[word >>> 24] as number)) | 0;
      if ((hash & mask) === 0) return start + i * 4 + 4;
    }
    this.hash = hash;
    return -1;
  }

  private reset(): void {
    this.hash = 0;
    this.length = 0;
  }
}

function warmUp(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let warm = hash;
  for (let i = start; i < end; i++) warm = ((warm << 1) + (GEAR_TABLE[bytes[i] as number] as number)) | 0;
  return warm;
}

/** The topmost bits: those that depend on the most bytes of the window. */
function highBits(count: number): number {
  return ~0 << (32 - count);
}
