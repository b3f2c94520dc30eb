import type { Database } from 'better-sqlite3';
import { IndexError } from './index-error.js';

/**
 * Append only: what was released is never edited. `user_version` counts how many of these a database has seen.
 *
 * - `entries.body` is what `row-body.ts` makes of the row: the known entry as it goes over the wire, what is held, its stat.
 * - `parent` is a hash of the parent's path: an index on it is a fifth of one on the text.
 * - The indexes are on the columns from `parent` to `content_hash` alone: an update that leaves a column as it was leaves
 *   it out, and its index with it.
 * - `stands`: 0 nothing, 1 file, 2 directory, 3 symlink; of what is held.
 * - The chunks of files of one chunk are not listed: such a file is found by its content hash.
 * - `state` has one row. Its epoch, ceiling and boot ID tell a restored index and a restarted machine.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    folder TEXT NOT NULL,
    index_id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    commit_tag TEXT NOT NULL,
    first_scan_done INTEGER NOT NULL,
    files INTEGER NOT NULL,
    directories INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    need_files INTEGER NOT NULL,
    need_bytes INTEGER NOT NULL,
    conflicts INTEGER NOT NULL,
    epoch TEXT,
    sequence_ceiling INTEGER,
    boot_id TEXT
  ) STRICT;

  CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    parent INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    is_known INTEGER NOT NULL,
    live INTEGER NOT NULL,
    needed INTEGER NOT NULL,
    racy INTEGER NOT NULL,
    stands INTEGER NOT NULL,
    held_size INTEGER NOT NULL,
    held_chunks INTEGER NOT NULL,
    need_size INTEGER NOT NULL,
    source INTEGER,
    conflict_of TEXT,
    content_hash BLOB,
    body BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX entries_by_path ON entries (path);
  CREATE UNIQUE INDEX entries_by_sequence ON entries (sequence) WHERE is_known = 1;
  CREATE INDEX entries_standing ON entries (parent) WHERE stands > 0;
  CREATE INDEX entries_live ON entries (path) WHERE live = 1;
  CREATE INDEX entries_needed ON entries (path) WHERE needed = 1;
  CREATE INDEX entries_racy ON entries (path) WHERE racy = 1;
  CREATE INDEX entries_copies ON entries (conflict_of) WHERE conflict_of IS NOT NULL;
  CREATE INDEX entries_by_content ON entries (content_hash) WHERE content_hash IS NOT NULL;

  CREATE TABLE chunks (
    hash BLOB NOT NULL,
    entry INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    PRIMARY KEY (hash, entry, offset)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE devices (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE peers (
    device INTEGER PRIMARY KEY,
    their_index_id TEXT,
    theirs_durable_here INTEGER NOT NULL,
    our_index_id TEXT,
    ours_durable_there INTEGER NOT NULL,
    unplaceable_there TEXT NOT NULL
  ) STRICT;

  CREATE TABLE members (
    device INTEGER NOT NULL,
    index_id TEXT NOT NULL,
    durable_sequence INTEGER NOT NULL,
    PRIMARY KEY (device, index_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE intents (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    entry BLOB NOT NULL,
    assumed BLOB,
    temp TEXT,
    temp_inode TEXT,
    displaced_to TEXT,
    copy BLOB,
    moved_from TEXT
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE problems (
    path TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    text TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    area TEXT NOT NULL,
    displaced_at_ms INTEGER NOT NULL,
    size INTEGER NOT NULL,
    content_hash BLOB,
    reason TEXT NOT NULL
  ) STRICT;
  CREATE INDEX history_by_path ON history (path);
  CREATE INDEX history_by_age ON history (displaced_at_ms);
  `,
  `
  ALTER TABLE history ADD COLUMN author TEXT;
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings the schema up to date, each step in a transaction of its own. Throws `newer-schema`, or SQLite's own errors. */
export function migrateSchema(database: Database, migrations: readonly string[] = MIGRATIONS): void {
  const version = Number(database.pragma('user_version', { simple: true }));
  if (version > migrations.length) {
    throw new IndexError(
      'newer-schema',
      `The index was made by a newer version of landropic (schema ${version}, this one knows ${migrations.length}). Update landropic on this device.`,
    );
  }
  migrations.slice(version).forEach((sql, step) => {
    database.transaction(() => {
      database.exec(sql);
      database.pragma(`user_version = ${version + step + 1}`);
    })();
  });
}
