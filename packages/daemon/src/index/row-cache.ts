import type { RelativePath } from '../core/model/relative-path.js';
import type { IndexRow } from '../core/ports/content-index.js';

/** Rows with longer chunk lists are decoded each time: few of them are worth thousands of others. */
const MAX_CHUNKS = 64;
/** What a row without any chunk weighs, in chunks: about 1.3 KB of memory against 150 bytes. */
const ROW_WEIGHT = 8;

/**
 * Decoded rows, the last ones read or written. The index is this process's alone, so a row changes only through it; after
 * a rollback the cache is emptied. Bounded by weight, because what a row takes is mostly its chunks.
 */
export class RowCache {
  readonly #rows = new Map<RelativePath, IndexRow>();
  readonly #maxWeight: number;
  #weight = 0;

  /** Holds so many rows of small files, and fewer larger ones. */
  constructor(capacity: number) {
    this.#maxWeight = capacity * ROW_WEIGHT;
  }

  get(path: RelativePath): IndexRow | undefined {
    return this.#rows.get(path);
  }

  set(row: IndexRow): void {
    this.delete(row.path);
    const chunks = chunksOf(row);
    if (chunks > MAX_CHUNKS) return;
    this.#rows.set(row.path, row);
    this.#weight += ROW_WEIGHT + chunks;
    while (this.#weight > this.#maxWeight) {
      const [oldest] = this.#rows.keys();
      if (oldest === undefined) return;
      this.delete(oldest);
    }
  }

  delete(path: RelativePath): void {
    const row = this.#rows.get(path);
    if (row === undefined) return;
    this.#rows.delete(path);
    this.#weight -= ROW_WEIGHT + chunksOf(row);
  }

  clear(): void {
    this.#rows.clear();
    this.#weight = 0;
  }
}

/** Held and known mostly share their chunks; counting both errs on the safe side. */
function chunksOf({ known, held }: IndexRow): number {
  const ofKnown = known?.version.content.type === 'file' ? known.version.content.chunks.length : 0;
  const ofHeld = held?.version.content.type === 'file' ? held.version.content.chunks.length : 0;
  return ofKnown + ofHeld;
}
