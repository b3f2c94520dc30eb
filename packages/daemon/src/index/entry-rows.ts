import type { Database, Statement } from 'better-sqlite3';
import type { Content } from '../core/model/file-entry.js';
import type { ContentHash, DeviceKey } from '../core/model/identifiers.js';
import { type DirectoryPath, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { ChunkLocation, IndexCounts, IndexRow } from '../core/ports/content-index.js';
import { ChunkRows } from './chunk-rows.js';
import type { DeviceRows } from './device-rows.js';
import { addCounts, countsOfFacts, NO_COUNTS, subtractCounts } from './index-counts.js';
import { IndexError } from './index-error.js';
import { decodeRow, encodeRow, hashBytes, hashOfPath, type StoredRow } from './row-codec.js';
import { factsOfRow, Stands } from './row-facts.js';

const COLUMNS = 'path, sequence, racy, source, conflict_of, held_stat, known, held';
/** Sorts after `/`, so that `a/` to `a0` are the paths below `a` and no others (`a-b` and `a.b` sort before). */
const AFTER_SLASH = '0';
const PAGE_ROWS = 256;

/** What of a stored row is needed to take it out of the counts again. */
interface StoredFacts {
  readonly id: number;
  readonly live: number;
  readonly needed: number;
  readonly stands: Stands;
  readonly held_size: number;
  readonly need_size: number;
  readonly conflict_of: string | null;
}

export interface EncodedEntry {
  readonly sequence: number;
  readonly path: RelativePath;
  /** As `encodeEntry` of the wire codec made it. */
  readonly bytes: Uint8Array;
  /** The device it came from, which need not be told; undefined when it was made here. */
  readonly source: DeviceKey | undefined;
}

/** The rows of the index and the chunks of what they hold. Writes only inside a transaction of the caller. */
export class EntryRows {
  readonly #chunks: ChunkRows;
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #database: Database;
  readonly #devices: DeviceRows;

  constructor(database: Database, devices: DeviceRows) {
    this.#database = database;
    this.#devices = devices;
    this.#chunks = new ChunkRows(database);
    this.#sql = prepareStatements(database);
  }

  get(path: RelativePath): IndexRow | undefined {
    const stored = this.#sql.get.get(path);
    return stored === undefined ? undefined : this.#decode(stored);
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
    for (const stored of this.#sql.encodedAfter.iterate(sequence, limit)) {
      bytes += stored.known.length;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push({
        sequence: stored.sequence,
        path: stored.path as RelativePath,
        bytes: stored.known,
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
    const facts = factsOfRow(row);
    const old = this.#sql.facts.get(row.path);
    const oldChunks = old === undefined ? undefined : this.#chunksOf(old, row.path);
    const encoded = encodeRow(row, facts, this.#devices);
    let id: number;
    if (old === undefined) {
      id = Number(this.#runPut(() => this.#sql.insert.run(encoded).lastInsertRowid, row));
    } else {
      id = old.id;
      this.#runPut(() => this.#sql.update.run({ ...encoded, id }), row);
    }
    this.#chunks.replace(id, oldChunks, row.held?.version.content);
    return old === undefined
      ? countsOfFacts(facts)
      : subtractCounts(countsOfFacts(facts), countsOfStored(old));
  }

  remove(path: RelativePath): IndexCounts {
    const old = this.#sql.facts.get(path);
    if (old === undefined) return NO_COUNTS;
    this.#chunks.replace(old.id, this.#chunksOf(old, path), undefined);
    this.#sql.remove.run(old.id);
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
    return decodeRow(stored, this.#devices);
  }

  /** Only files have chunks listed, so only for them the old row is worth decoding. */
  #chunksOf(old: StoredFacts, path: RelativePath): Content | undefined {
    return old.stands === Stands.file ? this.get(path)?.held?.version.content : undefined;
  }

  #runPut<T>(run: () => T, row: IndexRow): T {
    try {
      return run();
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== 'SQLITE_CONSTRAINT_UNIQUE') throw cause;
      throw new IndexError('misuse', `sequence ${row.sequence} belongs to another row already`, { cause });
    }
  }
}

function countsOfStored(stored: StoredFacts): IndexCounts {
  return countsOfFacts({
    live: stored.live === 1,
    needed: stored.needed === 1,
    stands: stored.stands,
    heldBytes: stored.held_size,
    needBytes: stored.need_size,
    conflict: stored.live === 1 && stored.stands > 0 && stored.conflict_of !== null,
  });
}

const FACT_COLUMNS = 'id, live, needed, stands, held_size, need_size, conflict_of';

function prepareStatements(database: Database) {
  const rows = (where: string) => `SELECT ${COLUMNS} FROM entries ${where}`;
  const values =
    'path, parent, sequence, live, needed, racy, stands, held_size, need_size, source, conflict_of, content_hash, held_stat, known, held';
  const names = values.split(', ');
  const prepareRows = <P extends unknown[]>(where: string): Statement<P, StoredRow> =>
    database.prepare<P, StoredRow>(rows(where));
  return {
    get: prepareRows<[string]>('WHERE path = ?'),
    children: prepareRows<[number]>('WHERE parent = ? AND stands > 0 ORDER BY path'),
    allAfter: prepareRows<[string, number]>('WHERE path > ? ORDER BY path LIMIT ?'),
    between: prepareRows<[string, string, number]>('WHERE path > ? AND path < ? ORDER BY path LIMIT ?'),
    after: prepareRows<[number, number]>(
      'WHERE sequence > ? AND known IS NOT NULL ORDER BY sequence LIMIT ?',
    ),
    needed: prepareRows<[string, number]>('WHERE needed = 1 AND path > ? ORDER BY path LIMIT ?'),
    racy: prepareRows<[number]>('WHERE racy = 1 ORDER BY path LIMIT ?'),
    conflicts: prepareRows<[number]>(
      'WHERE conflict_of IS NOT NULL AND live = 1 AND stands > 0 ORDER BY conflict_of, path LIMIT ?',
    ),
    copies: prepareRows<[string]>('WHERE conflict_of = ? AND live = 1 ORDER BY path'),
    encodedAfter: database.prepare<
      [number, number],
      { sequence: number; path: string; known: Buffer; source: number | null }
    >(
      'SELECT sequence, path, known, source FROM entries WHERE sequence > ? AND known IS NOT NULL ORDER BY sequence LIMIT ?',
    ),
    liveBelow: database.prepare<[string, string], unknown>(
      'SELECT 1 FROM entries WHERE live = 1 AND path > ? AND path < ? LIMIT 1',
    ),
    withContent: database.prepare<[Buffer, number], { path: string; held_size: number }>(
      'SELECT path, held_size FROM entries WHERE content_hash = ? LIMIT ?',
    ),
    facts: database.prepare<[string], StoredFacts>(`SELECT ${FACT_COLUMNS} FROM entries WHERE path = ?`),
    insert: database.prepare(
      `INSERT INTO entries (${values}) VALUES (${names.map((name) => `@${name}`).join(', ')})`,
    ),
    update: database.prepare(
      `UPDATE entries SET ${names
        .filter((name) => name !== 'path' && name !== 'parent')
        .map((name) => `${name} = @${name}`)
        .join(', ')} WHERE id = @id`,
    ),
    remove: database.prepare<[number]>('DELETE FROM entries WHERE id = ?'),
  };
}
