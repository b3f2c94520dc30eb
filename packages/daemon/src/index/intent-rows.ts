import type { Database, Statement } from 'better-sqlite3';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Intent } from '../core/ports/content-index.js';
import type { AreaPath } from '../core/ports/folder-disk.js';
import { encodeEntry } from '../core/wire/entry-codec.js';
import { decodeStoredEntry, decodeStoredStat } from './row-codec.js';
import { encodeStat } from './stat-codec.js';

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

  all(): Intent[] {
    return this.#all.all().map((row) => ({
      id: row.id,
      path: row.path as RelativePath,
      entry: decodeStoredEntry(row.entry),
      assumed: row.assumed === null ? undefined : decodeStoredStat(row.assumed),
      temp: (row.temp ?? undefined) as AreaPath | undefined,
      tempInode: row.temp_inode === null ? undefined : BigInt(row.temp_inode),
      displacedTo: (row.displaced_to ?? undefined) as AreaPath | undefined,
      copy: row.copy === null ? undefined : decodeStoredEntry(row.copy),
      movedFrom: (row.moved_from ?? undefined) as RelativePath | undefined,
    }));
  }

  add(intent: Intent): void {
    this.#add.run(
      intent.id,
      intent.path,
      encodeEntry(intent.entry),
      intent.assumed === undefined ? null : encodeStat(intent.assumed),
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
