import type { RelativePath } from '../core/model/relative-path.js';
import type { IndexRow } from '../core/ports/content-index.js';

/** Rows with longer chunk lists are decoded each time: few of them are worth thousands of others. */
const MAX_CHUNKS = 64;

/**
 * Decoded rows, the last ones read or written. The index is this process's alone, so a row changes only through it; after
 * a rollback the cache is emptied.
 */
export class RowCache {
  readonly #rows = new Map<RelativePath, IndexRow>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(path: RelativePath): IndexRow | undefined {
    return this.#rows.get(path);
  }

  set(row: IndexRow): void {
    this.#rows.delete(row.path);
    if (chunksOf(row) > MAX_CHUNKS) return;
    this.#rows.set(row.path, row);
    if (this.#rows.size <= this.#capacity) return;
    const [oldest] = this.#rows.keys();
    if (oldest !== undefined) this.#rows.delete(oldest);
  }

  delete(path: RelativePath): void {
    this.#rows.delete(path);
  }

  clear(): void {
    this.#rows.clear();
  }
}

function chunksOf({ known, held }: IndexRow): number {
  const ofKnown = known?.version.content.type === 'file' ? known.version.content.chunks.length : 0;
  const ofHeld = held?.version.content.type === 'file' ? held.version.content.chunks.length : 0;
  return ofKnown + ofHeld;
}
