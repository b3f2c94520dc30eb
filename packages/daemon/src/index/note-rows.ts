import type { Database, Statement } from 'better-sqlite3';
import type { ContentHash } from '../core/model/identifiers.js';
import type { Problem, ProblemCode } from '../core/model/problem.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { HistoryItem } from '../core/ports/content-index.js';
import type { AreaPath } from '../core/ports/folder-disk.js';
import { hashBytes } from './row-codec.js';

/** What is wrong with paths: at most one problem each. */
export class ProblemRows {
  readonly #some: Statement<[number], Problem & { code: string }>;
  readonly #set: Statement<[string, string, string]>;
  readonly #clear: Statement<[string]>;

  constructor(database: Database) {
    this.#some = database.prepare('SELECT path, code, text FROM problems ORDER BY path LIMIT ?');
    this.#set = database.prepare('INSERT OR REPLACE INTO problems VALUES (?, ?, ?)');
    this.#clear = database.prepare('DELETE FROM problems WHERE path = ?');
  }

  some(limit: number): Problem[] {
    return this.#some.all(limit).map(({ path, code, text }) => ({ path, code: code as ProblemCode, text }));
  }

  set({ path, code, text }: Problem): void {
    this.#set.run(path, code, text);
  }

  clear(path: string): void {
    this.#clear.run(path);
  }
}

interface HistoryRow {
  readonly path: string;
  readonly area: string;
  readonly displaced_at_ms: number;
  readonly size: number;
  readonly content_hash: Buffer | null;
  readonly reason: string;
}

/** What was replaced or deleted here, and where it lies now. */
export class HistoryRows {
  readonly #add: Statement<unknown[]>;
  readonly #of: Statement<[string, number], HistoryRow>;

  constructor(database: Database) {
    this.#add = database.prepare(
      'INSERT INTO history (path, area, displaced_at_ms, size, content_hash, reason) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#of = database.prepare(
      'SELECT * FROM history WHERE path = ? ORDER BY displaced_at_ms DESC, id DESC LIMIT ?',
    );
  }

  add(item: HistoryItem): void {
    const hash = item.hash === undefined ? null : hashBytes(item.hash);
    this.#add.run(item.path, item.area, item.displacedAtMs, item.sizeBytes, hash, item.reason);
  }

  /** Newest first. */
  of(path: RelativePath, limit: number): HistoryItem[] {
    return this.#of.all(path, limit).map((row) => ({
      path: row.path as RelativePath,
      area: row.area as AreaPath,
      displacedAtMs: row.displaced_at_ms,
      sizeBytes: row.size,
      hash: row.content_hash === null ? undefined : (row.content_hash.toString('hex') as ContentHash),
      reason: row.reason === 'deleted' ? 'deleted' : 'replaced',
    }));
  }
}
