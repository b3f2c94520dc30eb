import type { Database, Statement } from 'better-sqlite3';
import type { ContentHash, DeviceKey } from '../core/model/identifiers.js';
import { type DirectoryPath, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { ChunkLocation, IndexCounts, IndexRow } from '../core/ports/content-index.js';
import { findEntryFlaw } from '../core/wire/entry-flaw.js';
import { ChunkRows } from './chunk-rows.js';
import type { DeviceRows } from './device-rows.js';
import { addCounts, countsOfFacts, NO_COUNTS, subtractCounts } from './index-counts.js';
import { IndexError } from './index-error.js';
import { knownBytesOf } from './row-body.js';
import { RowCache } from './row-cache.js';
import {
  decodeRow,
  hashBytes,
  hashOfPath,
  INDEXED_COLUMNS,
  type IndexedColumns,
  indexedColumnsOf,
  PLAIN_COLUMNS,
  plainValuesOf,
  ROW_COLUMNS,
  type StoredRow,
} from './row-codec.js';
import { type FileContent, factsOfRow, Stands } from './row-facts.js';
import { sqliteCode } from './sqlite-code.js';

/** Sorts after `/`, so that `a/` to `a0` are the paths below `a` and no others (`a-b` and `a.b` sort before). */
const AFTER_SLASH = '0';
const PAGE_ROWS = 256;

/** What of a stored row is needed to replace it. */
interface StoredFacts extends IndexedColumns {
  readonly id: number;
  readonly held_size: number;
  readonly held_chunks: number;
  readonly need_size: number;
}

export interface EncodedEntry {
  readonly sequence: number;
  readonly path: RelativePath;
  /** As `encodeEntry` of the wire codec made it. */
  readonly bytes: Uint8Array;
  /** The device it came from, which need not be told; undefined when it was made here. */
  readonly source: DeviceKey | undefined;
}

const CACHED_ROWS = 16_384;

/** The rows of the index and the chunks of what they hold. Writes only inside a transaction of the caller. */
export class EntryRows {
  readonly #chunks: ChunkRows;
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #database: Database;
  readonly #devices: DeviceRows;
  readonly #updates = new Map<number, Statement<unknown[]>>();
  readonly #cache = new RowCache(CACHED_ROWS);

  constructor(database: Database, devices: DeviceRows) {
    this.#database = database;
    this.#devices = devices;
    this.#chunks = new ChunkRows(database);
    this.#sql = prepareStatements(database);
  }

  get(path: RelativePath): IndexRow | undefined {
    const cached = this.#cache.get(path);
    if (cached !== undefined) return cached;
    const stored = this.#sql.get.get(path);
    if (stored === undefined) return undefined;
    const row = this.#decode(stored);
    this.#cache.set(row);
    return row;
  }

  /** What was written since the transaction began is not there any more. */
  forget(): void {
    this.#cache.clear();
  }

  heldChildren(directory: DirectoryPath): IndexRow[] {
    return this.#sql.children
      .all(hashOfPath(directory))
      .filter((stored) => parentOf(stored.path as RelativePath) === directory)
      .map((stored) => this.#decode(stored));
  }

  /** Pages by path, so that rows may be written while the caller walks. */
  *rowsBelow(directory: DirectoryPath): IterableIterator<IndexRow> {
    let after = directory === '' ? '' : `${directory}/`;
    const before = directory === '' ? undefined : `${directory}${AFTER_SLASH}`;
    for (;;) {
      const page =
        before === undefined
          ? this.#sql.allAfter.all(after, PAGE_ROWS)
          : this.#sql.between.all(after, before, PAGE_ROWS);
      for (const stored of page) yield this.#decode(stored);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ROWS) return;
      after = last.path;
    }
  }

  hasLiveBelow(path: RelativePath): boolean {
    return this.#sql.liveBelow.get(`${path}/`, `${path}${AFTER_SLASH}`) !== undefined;
  }

  entriesAfter(sequence: number, limit: number): IndexRow[] {
    return this.#sql.after.all(sequence, limit).map((stored) => this.#decode(stored));
  }

  encodedEntriesAfter(sequence: number, limit: number, maxBytes: number): EncodedEntry[] {
    const entries: EncodedEntry[] = [];
    let bytes = 0;
    for (const stored of this.#sql.after.iterate(sequence, limit)) {
      const known = knownBytesOf(stored.body);
      bytes += known.length;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push({
        sequence: stored.sequence,
        path: stored.path as RelativePath,
        bytes: known,
        source: this.#devices.keyOf(stored.source),
      });
    }
    return entries;
  }

  needed(limit: number, afterPath: RelativePath | undefined): IndexRow[] {
    return this.#sql.needed.all(afterPath ?? '', limit).map((stored) => this.#decode(stored));
  }

  racy(limit: number): IndexRow[] {
    return this.#sql.racy.all(limit).map((stored) => this.#decode(stored));
  }

  conflicts(limit: number): IndexRow[] {
    return this.#sql.conflicts.all(limit).map((stored) => this.#decode(stored));
  }

  copiesOf(path: RelativePath): IndexRow[] {
    return this.#sql.copies.all(path).map((stored) => this.#decode(stored));
  }

  heldWithContent(hash: ContentHash, limit: number): RelativePath[] {
    return this.#sql.withContent.all(hashBytes(hash), limit).map(({ path }) => path as RelativePath);
  }

  heldChunk(hash: ContentHash, limit: number): ChunkLocation[] {
    const whole = this.#sql.withContent.all(hashBytes(hash), limit).map((stored) => ({
      path: stored.path as RelativePath,
      offsetBytes: 0,
      lengthBytes: stored.held_size,
    }));
    if (whole.length >= limit) return whole;
    return [...whole, ...this.#chunks.locate(hash, limit - whole.length)];
  }

  /** Returns what the counts change by. */
  put(row: IndexRow): IndexCounts {
    checkStorable(row);
    const facts = factsOfRow(row);
    const columns = indexedColumnsOf(row, facts);
    const plain = plainValuesOf(row, facts, this.#devices);
    const old = this.#sql.facts.get(row.path);
    try {
      if (old === undefined) {
        const id = this.#insert(row.path, columns, plain);
        this.#chunks.replace(id, undefined, facts.heldFile);
        this.#cache.set(row);
        return countsOfFacts(facts);
      }
      const oldFile = this.#chunkedFileOf(old, row.path);
      this.#update(old, columns, plain);
      this.#chunks.replace(old.id, oldFile, facts.heldFile);
      this.#cache.set(row);
      return subtractCounts(countsOfFacts(facts), countsOfStored(old));
    } catch (cause) {
      if (sqliteCode(cause) !== 'SQLITE_CONSTRAINT_UNIQUE') throw cause;
      throw new IndexError('misuse', `sequence ${row.sequence} belongs to another row already`, { cause });
    }
  }

  remove(path: RelativePath): IndexCounts {
    const old = this.#sql.facts.get(path);
    if (old === undefined) return NO_COUNTS;
    this.#chunks.replace(old.id, this.#chunkedFileOf(old, path), undefined);
    this.#sql.remove.run(old.id);
    this.#cache.delete(path);
    return subtractCounts(NO_COUNTS, countsOfStored(old));
  }

  /** Counts by looking at every row: the check on the counts that are kept. */
  recount(): IndexCounts {
    let counts = NO_COUNTS;
    for (const stored of this.#database
      .prepare<[], StoredFacts>(`SELECT ${FACT_COLUMNS} FROM entries`)
      .iterate()) {
      counts = addCounts(counts, countsOfStored(stored));
    }
    return counts;
  }

  #decode(stored: StoredRow): IndexRow {
    return this.#cache.get(stored.path as RelativePath) ?? decodeRow(stored, this.#devices);
  }

  /** Only of files of more than one chunk are the chunks listed; only for them the old row is worth decoding. */
  #chunkedFileOf(old: StoredFacts, path: RelativePath): FileContent | undefined {
    const row = old.held_chunks > 1 ? this.get(path) : undefined;
    return row && factsOfRow(row).heldFile;
  }

  #insert(path: RelativePath, columns: IndexedColumns, plain: readonly unknown[]): number {
    const indexed = INDEXED_COLUMNS.map((name) => columns[name]);
    const { lastInsertRowid } = this.#sql.insert.run(path, hashOfPath(parentOf(path)), ...indexed, ...plain);
    return Number(lastInsertRowid);
  }

  /** Writes the indexed columns only where they changed; there are few such patterns, so each has its statement. */
  #update(old: StoredFacts, columns: IndexedColumns, plain: readonly unknown[]): void {
    let pattern = 0;
    const changed: unknown[] = [];
    for (const [place, name] of INDEXED_COLUMNS.entries()) {
      if (sameValue(old[name], columns[name])) continue;
      pattern |= 1 << place;
      changed.push(columns[name]);
    }
    let statement = this.#updates.get(pattern);
    if (statement === undefined) {
      const names = [...INDEXED_COLUMNS.filter((_, place) => pattern & (1 << place)), ...PLAIN_COLUMNS];
      statement = this.#database.prepare(
        `UPDATE entries SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE id = ?`,
      );
      this.#updates.set(pattern, statement);
    }
    statement.run(...changed, ...plain, old.id);
  }
}

/** An entry that no device would take, and this one could not read back, must not get in: it would look like damage. */
function checkStorable({ path, known, held }: IndexRow): void {
  const flaw =
    (known && findEntryFlaw(known)) ??
    (held && held.version !== known?.version ? findEntryFlaw({ path, ...held }) : undefined);
  if (flaw !== undefined) throw new IndexError('misuse', `an entry that cannot be stored: ${flaw.text}`);
}

function sameValue(
  a: IndexedColumns[keyof IndexedColumns],
  b: IndexedColumns[keyof IndexedColumns],
): boolean {
  return a === b || (Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b));
}

function countsOfStored(stored: StoredFacts): IndexCounts {
  const { stands } = stored;
  return {
    files: stands === Stands.file || stands === Stands.symlink ? 1 : 0,
    directories: stands === Stands.directory ? 1 : 0,
    bytes: stored.held_size,
    needFiles: stored.needed,
    needBytes: stored.need_size,
    conflicts: stored.live === 1 && stands !== Stands.nothing && stored.conflict_of !== null ? 1 : 0,
  };
}

const FACT_COLUMNS = `id, held_size, held_chunks, need_size, ${INDEXED_COLUMNS.join(', ')}`;

function prepareStatements(database: Database) {
  const rows = (where: string) => `SELECT ${ROW_COLUMNS} FROM entries ${where}`;
  const columns = ['path', 'parent', ...INDEXED_COLUMNS, ...PLAIN_COLUMNS];
  const prepareRows = <P extends unknown[]>(where: string): Statement<P, StoredRow> =>
    database.prepare<P, StoredRow>(rows(where));
  return {
    get: prepareRows<[string]>('WHERE path = ?'),
    children: prepareRows<[number]>('WHERE parent = ? AND stands > 0 ORDER BY path'),
    allAfter: prepareRows<[string, number]>('WHERE path > ? ORDER BY path LIMIT ?'),
    between: prepareRows<[string, string, number]>('WHERE path > ? AND path < ? ORDER BY path LIMIT ?'),
    after: prepareRows<[number, number]>('WHERE sequence > ? AND is_known = 1 ORDER BY sequence LIMIT ?'),
    needed: prepareRows<[string, number]>('WHERE needed = 1 AND path > ? ORDER BY path LIMIT ?'),
    racy: prepareRows<[number]>('WHERE racy = 1 ORDER BY path LIMIT ?'),
    conflicts: prepareRows<[number]>(
      'WHERE conflict_of IS NOT NULL AND live = 1 AND stands > 0 ORDER BY conflict_of, path LIMIT ?',
    ),
    copies: prepareRows<[string]>('WHERE conflict_of = ? AND live = 1 ORDER BY path'),
    liveBelow: database.prepare<[string, string], unknown>(
      'SELECT 1 FROM entries WHERE live = 1 AND path > ? AND path < ? LIMIT 1',
    ),
    withContent: database.prepare<[Buffer, number], { path: string; held_size: number }>(
      'SELECT path, held_size FROM entries WHERE content_hash = ? LIMIT ?',
    ),
    facts: database.prepare<[string], StoredFacts>(`SELECT ${FACT_COLUMNS} FROM entries WHERE path = ?`),
    insert: database.prepare<unknown[]>(
      `INSERT INTO entries (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
    ),
    remove: database.prepare<[number]>('DELETE FROM entries WHERE id = ?'),
  };
}
