import type { Database, Statement } from 'better-sqlite3';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Intent } from '../core/ports/content-index.js';
import type { AreaPath, FileStat } from '../core/ports/folder-disk.js';
import { decodeEntry, encodeEntry } from '../core/wire/entry-codec.js';
import { StoredRowError } from './row-body.js';
import { sqliteCode } from './sqlite-code.js';
import { decodeStat, encodeStat, STAT_BYTES } from './stat-codec.js';

interface IntentRow {
  readonly id: string;
  readonly path: string;
  readonly entry: Buffer;
  readonly assumed: Buffer | null;
  readonly temp: string | null;
  readonly temp_inode: string | null;
  readonly displaced_to: string | null;
  readonly copy: Buffer | null;
  readonly moved_from: string | null;
}

export class IntentRows {
  readonly #all: Statement<[], IntentRow>;
  readonly #add: Statement<unknown[]>;
  readonly #remove: Statement<[string]>;

  constructor(database: Database) {
    this.#all = database.prepare('SELECT * FROM intents ORDER BY id');
    this.#add = database.prepare('INSERT OR REPLACE INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#remove = database.prepare('DELETE FROM intents WHERE id = ?');
  }

  /** Throws {@link StoredRowError}. */
  all(): Intent[] {
    try {
      return this.#all.all().map(decodeIntent);
    } catch (cause) {
      if (sqliteCode(cause) !== undefined) throw cause;
      throw new StoredRowError('a stored intent cannot be read', { cause });
    }
  }

  add(intent: Intent): void {
    this.#add.run(
      intent.id,
      intent.path,
      encodeEntry(intent.entry),
      intent.assumed === undefined ? null : statBytes(intent.assumed),
      intent.temp ?? null,
      intent.tempInode?.toString() ?? null,
      intent.displacedTo ?? null,
      intent.copy === undefined ? null : encodeEntry(intent.copy),
      intent.movedFrom ?? null,
    );
  }

  remove(id: string): void {
    this.#remove.run(id);
  }
}

function decodeIntent(row: IntentRow): Intent {
  return {
    id: row.id,
    path: row.path as RelativePath,
    entry: decodeEntry(row.entry),
    assumed: row.assumed === null ? undefined : decodeStat(row.assumed, 0),
    temp: (row.temp ?? undefined) as AreaPath | undefined,
    tempInode: row.temp_inode === null ? undefined : BigInt(row.temp_inode),
    displacedTo: (row.displaced_to ?? undefined) as AreaPath | undefined,
    copy: row.copy === null ? undefined : decodeEntry(row.copy),
    movedFrom: (row.moved_from ?? undefined) as RelativePath | undefined,
  };
}

function statBytes(stat: FileStat): Buffer {
  const bytes = Buffer.alloc(STAT_BYTES);
  encodeStat(stat, bytes, 0);
  return bytes;
}
