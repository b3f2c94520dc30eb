import type { RelativePath } from '../core/model/relative-path.js';
import type { IndexRow } from '../core/ports/content-index.js';

/** What a row without any chunk weighs, in chunks: about 1.3 KB of memory against 150 bytes. */
const ROW_WEIGHT = 8;
/** Rows with longer chunk lists are decoded each time: few of them are worth thousands of others. */
const MAX_WEIGHT = ROW_WEIGHT + 64;

/**
 * Decoded rows, the last ones read or written. The index is this process's alone, so a row changes only through it; after
 * a rollback the cache is emptied. Bounded by weight, because what a row takes is mostly its chunks.
 *
 * Two generations: a full young one becomes the old one, whose rows live on if they are asked for. Taking the oldest row
 * out of one large Map would cost more than decoding it again, as a Map walks over all that was deleted before.
 */
export class RowCache {
  readonly #maxWeight: number;
  #young = new Map<RelativePath, IndexRow>();
  #old = new Map<RelativePath, IndexRow>();
  /** Of the young generation; what is replaced or deleted counts on until the generation is over. */
  #weight = 0;

  /** Holds at most so many rows of small files, and fewer larger ones. */
  constructor(capacity: number) {
    this.#maxWeight = (capacity * ROW_WEIGHT) / 2;
  }

  get(path: RelativePath): IndexRow | undefined {
    const young = this.#young.get(path);
    if (young !== undefined) return young;
    const old = this.#old.get(path);
    if (old !== undefined) this.set(old);
    return old;
  }

  set(row: IndexRow): void {
    const weight = weightOf(row);
    if (weight > MAX_WEIGHT) {
      this.delete(row.path);
      return;
    }
    if (this.#weight + weight > this.#maxWeight) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#weight = 0;
    }
    this.#young.set(row.path, row);
    this.#weight += weight;
  }

  delete(path: RelativePath): void {
    this.#young.delete(path);
    this.#old.delete(path);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#weight = 0;
  }
}

/** Held and known mostly share their chunks; counting both errs on the safe side. */
function weightOf({ known, held }: IndexRow): number {
  const ofKnown = known?.version.content.type === 'file' ? known.version.content.chunks.length : 0;
  const ofHeld = held?.version.content.type === 'file' ? held.version.content.chunks.length : 0;
  return ROW_WEIGHT + ofKnown + ofHeld;
}
