import { Blake3Hasher } from '@napi-rs/blake-hash';
import type { ContentHash } from '../../core/model/identifiers.js';
import { changedMeanwhile, READ_BYTES, scratchBytes } from './file-hashing.js';
import { readFully } from './regular-file.js';

/** Far more than files are hashed at once; each takes some 2 KiB. */
const MAX_HASHES = 256;

/** BLAKE3 of the first `positionBytes` of a file. */
export class RunningHash {
  readonly #hasher = new Blake3Hasher();
  #positionBytes = 0;

  constructor(readonly inode: bigint) {}

  get positionBytes(): number {
    return this.#positionBytes;
  }

  /** Takes what it has not seen yet of a block that begins at `atBytes`, at or before its position. */
  take(block: Uint8Array, atBytes: number): void {
    const seenBytes = this.#positionBytes - atBytes;
    if (seenBytes < 0) throw new Error('a block is missing from a running hash');
    if (seenBytes >= block.length) return;
    this.#hasher.update(seenBytes === 0 ? block : block.subarray(seenBytes));
    this.#positionBytes = atBytes + block.length;
  }

  /** Reads on up to there; false when the file ends before. */
  advance(fd: number, untilBytes: number): boolean {
    while (this.#positionBytes < untilBytes) {
      const wantedBytes = Math.min(READ_BYTES, untilBytes - this.#positionBytes);
      const block = scratchBytes().subarray(0, wantedBytes);
      if (readFully(fd, block, this.#positionBytes) !== wantedBytes) return false;
      this.take(block, this.#positionBytes);
    }
    return true;
  }

  /** Of all it has seen so far. */
  digest(): ContentHash {
    return this.#hasher.digestBuffer().toString('hex') as ContentHash;
  }
}

/** Where a call finds the hash that it goes on with. */
export interface RunningAt {
  readonly hashes: RunningHashes;
  readonly key: string;
}

/** Hashes of files that are read in several calls, kept on the thread that carries out all of them. */
export class RunningHashes {
  readonly #hashes = new Map<string, RunningHash>();

  /** The hash of this very file up to there or further; a new one from 0. Throws `changed-meanwhile` where there is none. */
  at(key: string, inode: bigint, positionBytes: number): RunningHash {
    if (positionBytes === 0) return this.#begin(key, inode);
    const running = this.#hashes.get(key);
    if (running?.inode !== inode || running.positionBytes < positionBytes) throw changedMeanwhile();
    return running;
  }

  /** Removes it. */
  take(key: string): RunningHash | undefined {
    const running = this.#hashes.get(key);
    this.#hashes.delete(key);
    return running;
  }

  #begin(key: string, inode: bigint): RunningHash {
    const running = new RunningHash(inode);
    this.#hashes.delete(key);
    this.#hashes.set(key, running);
    if (this.#hashes.size > MAX_HASHES) {
      const [oldest] = this.#hashes.keys();
      if (oldest !== undefined) this.#hashes.delete(oldest);
    }
    return running;
  }
}
