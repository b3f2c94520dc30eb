import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import type { FolderId } from '../core/model/identifiers.js';
import type { Clock, RandomBytes } from '../core/ports/clock.js';
import { IndexError } from './index-error.js';
import { migrateSchema } from './schema-migrations.js';
import { sqliteCode } from './sqlite-code.js';
import { isDamage, sqliteFailure } from './sqlite-failure.js';
import { type RebuiltIndex, SqliteIndex } from './sqlite-index.js';

export interface OpenContentIndexOptions {
  /** Absolute path of the database. Its directory is made when it is missing. */
  readonly file: string;
  readonly folder: FolderId;
  readonly randomBytes: RandomBytes;
  readonly clock: Clock;
}

/** Damaged indexes that are kept to be looked at; older ones go. */
const MAX_SET_ASIDE = 3;
/** Long enough for a process that is just ending; the main thread stands still meanwhile. */
const LOCK_TIMEOUT_MS = 100;
const CACHE_KIB = 16 * 1024;
const SIDE_FILES = ['', '-wal', '-shm', '-journal'] as const;

/**
 * Opens the index of a folder, or makes it. One that is damaged is set aside as `<file>.damaged-<time>`, and a new one
 * takes its place: `rebuilt` of the result says so, and its first scan has still to be done.
 *
 * Throws {@link IndexError}: `newer-schema`, `wrong-folder`, `unusable`, `disk-full`.
 */
export function openContentIndex(options: OpenContentIndexOptions): SqliteIndex {
  const { file } = options;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return openSound(options, undefined);
  } catch (error) {
    const reason = damageOf(error);
    if (reason === undefined) throw systemFailure(error, options.folder);
    const setAsideAs = setAside(file, options.clock.nowMs());
    try {
      return openSound(options, { reason, setAsideAs });
    } catch (second) {
      throw systemFailure(second, options.folder);
    }
  }
}

/** Why an index can only be made anew. */
class DamagedIndex extends Error {
  override readonly name = 'DamagedIndex';
}

function openSound(options: OpenContentIndexOptions, rebuilt: RebuiltIndex | undefined): SqliteIndex {
  const { file, folder, randomBytes } = options;
  const suspectMark = `${file}-suspect`;
  const isSuspect = existsSync(suspectMark);
  // A database that was closed in order leaves no log behind.
  const isUnclean = existsSync(`${file}-wal`);
  const database = new Database(file, { timeout: LOCK_TIMEOUT_MS });
  try {
    configure(database);
    if (isSuspect || isUnclean) checkStructure(database, isSuspect ? 'integrity_check' : 'quick_check');
    migrate(database);
    const index = new SqliteIndex({ database, randomBytes }, { folder, suspectMark, rebuilt });
    if (isSuspect) rmSync(suspectMark, { force: true });
    return index;
  } catch (error) {
    database.close();
    throw error;
  }
}

function configure(database: Database.Database): void {
  // No other process has business in here, and without shared memory every read saves two system calls.
  database.pragma('locking_mode = EXCLUSIVE');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('cell_size_check = ON');
  database.pragma('trusted_schema = OFF');
  database.pragma('temp_store = MEMORY');
  database.pragma(`cache_size = -${CACHE_KIB}`);
  database.pragma('journal_size_limit = 67108864');
}

function checkStructure(database: Database.Database, check: 'quick_check' | 'integrity_check'): void {
  const found = database.pragma(`${check}(1)`, { simple: true });
  if (found !== 'ok') throw new DamagedIndex(`the check of its structure found: ${String(found)}`);
}

function migrate(database: Database.Database): void {
  try {
    migrateSchema(database);
  } catch (error) {
    if (error instanceof IndexError || sqliteCode(error) !== 'SQLITE_ERROR') throw error;
    throw new DamagedIndex('its tables are not what they should be', { cause: error });
  }
}

function damageOf(error: unknown): string | undefined {
  if (error instanceof DamagedIndex) return error.message;
  if (isDamage(error)) return (error as Error).message;
  // Statements that do not compile and a state that does not parse: the tables are not ours, whatever the version says.
  if (sqliteCode(error) === 'SQLITE_ERROR' || error instanceof RangeError) return (error as Error).message;
  return undefined;
}

function systemFailure(error: unknown, folder: FolderId): unknown {
  const failure = sqliteFailure(error, folder);
  if (failure instanceof IndexError) return failure;
  return new IndexError(
    'unusable',
    `The index of folder ${folder} cannot be opened: ${error instanceof Error ? error.message : String(error)}.`,
    { cause: error },
  );
}

function setAside(file: string, nowMs: number): string | undefined {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  let target = `${file}.damaged-${stamp}`;
  for (let copy = 2; existsSync(target); copy++) target = `${file}.damaged-${stamp}-${copy}`;
  try {
    for (const suffix of SIDE_FILES) {
      if (existsSync(`${file}${suffix}`)) renameSync(`${file}${suffix}`, `${target}${suffix}`);
    }
  } catch (cause) {
    throw new IndexError('unusable', `The damaged index ${file} cannot be set aside: move it away.`, {
      cause,
    });
  }
  rmSync(`${file}-suspect`, { force: true });
  dropOldest(file);
  return target;
}

function dropOldest(file: string): void {
  const prefix = `${basename(file)}.damaged-`;
  const names = readdirSync(dirname(file)).filter((name) => name.startsWith(prefix));
  const bases = [...new Set(names.map((name) => name.replace(/-(wal|shm|journal)$/, '')))].sort();
  for (const base of bases.slice(0, -MAX_SET_ASIDE)) {
    for (const suffix of SIDE_FILES) rmSync(join(dirname(file), base + suffix), { force: true });
  }
}

/** Removes the index of a folder that is no longer shared, with everything that lies beside it. It must be closed. */
export function removeIndexFiles(file: string): void {
  for (const suffix of [...SIDE_FILES, '-suspect']) rmSync(`${file}${suffix}`, { force: true });
  const prefix = `${basename(file)}.damaged-`;
  for (const name of existsSync(dirname(file)) ? readdirSync(dirname(file)) : []) {
    if (name.startsWith(prefix)) rmSync(join(dirname(file), name), { force: true });
  }
}
