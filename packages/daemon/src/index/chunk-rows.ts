import type { Database, Statement } from 'better-sqlite3';
import type { ChunkRef } from '../core/model/file-entry.js';
import type { ContentHash } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ChunkLocation } from '../core/ports/content-index.js';
import { hashBytes } from './row-codec.js';
import type { FileContent } from './row-facts.js';

/**
 * Where the chunks of held files of more than one chunk are. There is no index by file, which would double the table:
 * what a file had is told by its old chunk list, and only what moved is written.
 */
export class ChunkRows {
  readonly #insert: Statement<[Buffer, number, number, number]>;
  readonly #remove: Statement<[Buffer, number, number]>;
  readonly #locate: Statement<[Buffer, number], { path: string; offset: number; length: number }>;

  constructor(database: Database) {
    this.#insert = database.prepare('INSERT INTO chunks (hash, entry, offset, length) VALUES (?, ?, ?, ?)');
    this.#remove = database.prepare('DELETE FROM chunks WHERE hash = ? AND entry = ? AND offset = ?');
    this.#locate = database.prepare(
      'SELECT path, offset, length FROM chunks JOIN entries ON entries.id = chunks.entry WHERE chunks.hash = ? LIMIT ?',
    );
  }

  replace(entry: number, before: FileContent | undefined, after: FileContent | undefined): void {
    if (before === after) return;
    const old = placesOf(before);
    const now = placesOf(after);
    for (const [offset, chunk] of old) {
      if (now.get(offset)?.hash !== chunk.hash) this.#remove.run(hashBytes(chunk.hash), entry, offset);
    }
    for (const [offset, chunk] of now) {
      if (old.get(offset)?.hash === chunk.hash) continue;
      this.#insert.run(hashBytes(chunk.hash), entry, offset, chunk.lengthBytes);
    }
  }

  locate(hash: ContentHash, limit: number): ChunkLocation[] {
    return this.#locate.all(hashBytes(hash), limit).map(({ path, offset, length }) => ({
      path: path as RelativePath,
      offsetBytes: offset,
      lengthBytes: length,
    }));
  }
}

const NO_PLACES: ReadonlyMap<number, ChunkRef> = new Map();

/** The chunks by their offsets. */
function placesOf(content: FileContent | undefined): ReadonlyMap<number, ChunkRef> {
  if (content === undefined || content.chunks.length < 2) return NO_PLACES;
  const places = new Map<number, ChunkRef>();
  let offset = 0;
  for (const chunk of content.chunks) {
    places.set(offset, chunk);
    offset += chunk.lengthBytes;
  }
  return places;
}
