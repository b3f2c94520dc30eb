import type { ContentHash } from '../../core/model/identifiers.js';
import type { ByteRange } from './file-hashing.js';

/** When a partial's inode last changed, as seen before and after a call of ours wrote to it. */
export interface Touched {
  readonly beforeNs: bigint;
  readonly afterNs: bigint;
}

/** What one call hashes: some 30 ms. */
const PIECE_BYTES = 64 * 1024 * 1024;
const MAX_PARTIALS = 64;

/** A partial whose beginning is hashed while the rest of it is on its way. */
export class WatchedPartial {
  #hashedBytes = 0;
  #ctimeNs: bigint;
  /** Where the writes that are under way begin. */
  readonly #writing = new Set<{ readonly fromBytes: number }>();
  #isSound = true;

  constructor(ctimeNs: bigint) {
    this.#ctimeNs = ctimeNs;
  }

  /** What is to be hashed next, and counts as hashed from now on; undefined when there is nothing more up to there. */
  extend(untilBytes: number): ByteRange | undefined {
    const fromBytes = this.#hashedBytes;
    const endBytes = Math.min(untilBytes, fromBytes + PIECE_BYTES);
    for (const write of this.#writing) if (write.fromBytes < endBytes) this.#isSound = false;
    if (!this.#isSound || endBytes <= fromBytes) return undefined;
    this.#hashedBytes = endBytes;
    return { fromBytes, untilBytes: endBytes };
  }

  /** To be told, when it is done, what it found; undefined where that is not known. */
  beginWrite(fromBytes: number): (touched: Touched | undefined) => void {
    if (fromBytes < this.#hashedBytes) this.#isSound = false;
    const write = { fromBytes };
    this.#writing.add(write);
    return (touched) => {
      this.#writing.delete(write);
      if (touched?.beforeNs !== this.#ctimeNs) this.#isSound = false;
      else this.#ctimeNs = touched.afterNs;
    };
  }

  giveUp(): void {
    this.#isSound = false;
  }

  /** The change time with which what was hashed is still what lies there; undefined when all is to be hashed again. */
  get soundAtNs(): bigint | undefined {
    return this.#isSound && this.#hashedBytes > 0 && this.#writing.size === 0 ? this.#ctimeNs : undefined;
  }
}

/**
 * Which partials may be hashed before they are whole, and whether that hash still counts at the end.
 *
 * What the hash at the end is for: chunks were checked one by one, but nothing says that they make up the content that was
 * announced, nor that a chunk was not written over since, by what an earlier fetch of the same content still had in its
 * queue. The first holds as well for a hash that was begun early. For the second, what was hashed is hashed again when a
 * write of ours began in it, or when its change time moved by other hands than ours (another process). A write by others
 * within the same tick of the file system's clock as one of ours, or during it, is not seen: they would have to write into
 * the folder's own area, in a file that is theirs to read and change a moment later anyway.
 */
export class HashedAhead {
  readonly #partials = new Map<ContentHash, WatchedPartial>();

  get(hash: ContentHash): WatchedPartial | undefined {
    return this.#partials.get(hash);
  }

  opened(hash: ContentHash, ctimeNs: bigint): void {
    this.#partials.delete(hash);
    this.#partials.set(hash, new WatchedPartial(ctimeNs));
    if (this.#partials.size <= MAX_PARTIALS) return;
    const [oldest] = this.#partials.keys();
    if (oldest !== undefined) this.#partials.delete(oldest);
  }

  /** Removes it. */
  take(hash: ContentHash): WatchedPartial | undefined {
    const partial = this.#partials.get(hash);
    this.#partials.delete(hash);
    return partial;
  }
}
