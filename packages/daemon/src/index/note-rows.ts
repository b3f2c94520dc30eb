import type { Database, Statement } from 'better-sqlite3';
import type { ContentHash, DeviceKey } from '../core/model/identifiers.js';
import type { Problem, ProblemCode } from '../core/model/problem.js';
import type { DirectoryPath, RelativePath } from '../core/model/relative-path.js';
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
  readonly author: string | null;
}

/** What was replaced or deleted here, and where it lies now. */
export class HistoryRows {
  readonly #add: Statement<unknown[]>;
  readonly #remove: Statement<[string, string]>;
  readonly #of: Statement<[string, number], HistoryRow>;
  readonly #newest: Statement<[number], HistoryRow>;
  readonly #below: Statement<[string, string, string, number], HistoryRow>;
  readonly #oldest: Statement<[number], HistoryRow>;
  readonly #paths: Statement<[string, number], { readonly path: string }>;

  constructor(database: Database) {
    this.#add = database.prepare(
      `INSERT INTO history (path, area, displaced_at_ms, size, content_hash, reason, author)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#remove = database.prepare('DELETE FROM history WHERE path = ? AND area = ?');
    this.#of = database.prepare(
      'SELECT * FROM history WHERE path = ? ORDER BY displaced_at_ms DESC, id DESC LIMIT ?',
    );
    this.#newest = database.prepare('SELECT * FROM history ORDER BY displaced_at_ms DESC, id DESC LIMIT ?');
    this.#below = database.prepare(
      `SELECT * FROM history WHERE path = ? OR (path > ? AND path < ?)
       ORDER BY displaced_at_ms DESC, id DESC LIMIT ?`,
    );
    this.#oldest = database.prepare('SELECT * FROM history ORDER BY displaced_at_ms, id LIMIT ?');
    this.#paths = database.prepare('SELECT DISTINCT path FROM history WHERE path > ? ORDER BY path LIMIT ?');
  }

  add(item: HistoryItem): void {
    const hash = item.hash === undefined ? null : hashBytes(item.hash);
    const { path, area, displacedAtMs, sizeBytes, reason, author } = item;
    this.#add.run(path, area, displacedAtMs, sizeBytes, hash, reason, author ?? null);
  }

  remove({ path, area }: Pick<HistoryItem, 'path' | 'area'>): void {
    this.#remove.run(path, area);
  }

  /** Newest first. */
  of(path: RelativePath, limit: number): HistoryItem[] {
    return this.#of.all(path, limit).map(toItem);
  }

  below(directory: DirectoryPath, limit: number): HistoryItem[] {
    // Between "directory/" and "directory0" lies all that is below it: 0 follows / in ASCII.
    const rows =
      directory === ''
        ? this.#newest.all(limit)
        : this.#below.all(directory, `${directory}/`, `${directory}0`, limit);
    return rows.map(toItem);
  }

  oldest(limit: number): HistoryItem[] {
    return this.#oldest.all(limit).map(toItem);
  }

  paths(limit: number, afterPath: RelativePath | undefined): RelativePath[] {
    return this.#paths.all(afterPath ?? '', limit).map(({ path }) => path as RelativePath);
  }
}

function toItem(row: HistoryRow): HistoryItem {
  return {
    path: row.path as RelativePath,
    area: row.area as AreaPath,
    displacedAtMs: row.displaced_at_ms,
    sizeBytes: row.size,
    hash: row.content_hash === null ? undefined : (row.content_hash.toString('hex') as ContentHash),
    reason: row.reason === 'deleted' ? 'deleted' : 'replaced',
    author: (row.author ?? undefined) as DeviceKey | undefined,
  };
}
