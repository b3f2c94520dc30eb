import { writeFileSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import type { ContentHash, DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { Problem } from '../core/model/problem.js';
import type { DirectoryPath, RelativePath } from '../core/model/relative-path.js';
import type { RandomBytes } from '../core/ports/clock.js';
import type {
  ChunkLocation,
  ContentIndex,
  HistoryItem,
  IndexCounts,
  IndexIdentity,
  IndexRow,
  IndexTransaction,
  Intent,
  PeerWatermarks,
} from '../core/ports/content-index.js';
import { DeviceRows } from './device-rows.js';
import { type EncodedEntry, EntryRows } from './entry-rows.js';
import { IndexError } from './index-error.js';
import { IndexState } from './index-state.js';
import { IntentRows } from './intent-rows.js';
import { HistoryRows, ProblemRows } from './note-rows.js';
import { PeerRows } from './peer-rows.js';
import { sqliteFailure } from './sqlite-failure.js';

const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;

export interface SqliteIndexDependencies {
  /** Open, configured and with its schema up to date. Belongs to the index from now on. */
  readonly database: Database;
  readonly randomBytes: RandomBytes;
}

export interface SqliteIndexOptions {
  readonly folder: FolderId;
  /** Made when the database turns out to be damaged, so that the next opening checks it. */
  readonly suspectMark: string;
  /** Set when the index that was there was damaged, and this is a new one in its place. */
  readonly rebuilt: RebuiltIndex | undefined;
}

export interface RebuiltIndex {
  /** Why, in words for a person. */
  readonly reason: string;
  /** Where the damaged one lies now; undefined when it could not be kept. */
  readonly setAsideAs: string | undefined;
}

/**
 * The index of one folder in one SQLite file. Every method throws {@link IndexError}: `damaged` means to close it and to
 * open it again, which makes a new one.
 */
export class SqliteIndex implements ContentIndex {
  readonly folder: FolderId;
  readonly rebuilt: RebuiltIndex | undefined;
  readonly #database: Database;
  readonly #suspectMark: string;
  readonly #devices: DeviceRows;
  readonly #entries: EntryRows;
  readonly #state: IndexState;
  readonly #peers: PeerRows;
  readonly #intents: IntentRows;
  readonly #problems: ProblemRows;
  readonly #history: HistoryRows;
  readonly #transaction: IndexTransaction;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  #busy = false;

  constructor({ database, randomBytes }: SqliteIndexDependencies, options: SqliteIndexOptions) {
    this.folder = options.folder;
    this.rebuilt = options.rebuilt;
    this.#database = database;
    this.#suspectMark = options.suspectMark;
    this.#state = new IndexState(database, options.folder, randomBytes);
    this.#devices = new DeviceRows(database);
    this.#entries = new EntryRows(database, this.#devices);
    this.#peers = new PeerRows(database, this.#devices);
    this.#intents = new IntentRows(database);
    this.#problems = new ProblemRows(database);
    this.#history = new HistoryRows(database);
    this.#begin = database.prepare('BEGIN');
    this.#commit = database.prepare('COMMIT');
    this.#rollback = database.prepare('ROLLBACK');
    this.#transaction = this.#makeTransaction();
  }

  identity(): IndexIdentity {
    return this.#state.identity;
  }

  counts(): IndexCounts {
    return this.#state.counts;
  }

  get(path: RelativePath): IndexRow | undefined {
    return this.#guard(() => this.#entries.get(path));
  }

  heldChildren(directory: DirectoryPath): readonly IndexRow[] {
    return this.#guard(() => this.#entries.heldChildren(directory));
  }

  *rowsBelow(directory: DirectoryPath): IterableIterator<IndexRow> {
    const rows = this.#entries.rowsBelow(directory);
    for (;;) {
      const next = this.#guard(() => rows.next());
      if (next.done) return;
      yield next.value;
    }
  }

  hasLiveBelow(path: RelativePath): boolean {
    return this.#guard(() => this.#entries.hasLiveBelow(path));
  }

  entriesAfter(sequence: number, limit: number): readonly IndexRow[] {
    return this.#guard(() => this.#entries.entriesAfter(sequence, limit));
  }

  /**
   * The same entries as they are stored, to be sent without decoding: at most `limit` and, beyond the first, at most
   * `maxBytes` of them.
   */
  encodedEntriesAfter(
    sequence: number,
    limit: number,
    maxBytes = DEFAULT_MAX_BYTES,
  ): readonly EncodedEntry[] {
    return this.#guard(() => this.#entries.encodedEntriesAfter(sequence, limit, maxBytes));
  }

  needed(limit: number, afterPath?: RelativePath): readonly IndexRow[] {
    return this.#guard(() => this.#entries.needed(limit, afterPath));
  }

  heldWithContent(hash: ContentHash, limit: number): readonly RelativePath[] {
    return this.#guard(() => this.#entries.heldWithContent(hash, limit));
  }

  heldChunk(hash: ContentHash, limit: number): readonly ChunkLocation[] {
    return this.#guard(() => this.#entries.heldChunk(hash, limit));
  }

  racy(limit: number): readonly IndexRow[] {
    return this.#guard(() => this.#entries.racy(limit));
  }

  conflicts(limit: number): readonly IndexRow[] {
    return this.#guard(() => this.#entries.conflicts(limit));
  }

  copiesOf(path: RelativePath): readonly IndexRow[] {
    return this.#guard(() => this.#entries.copiesOf(path));
  }

  peer(device: DeviceKey): PeerWatermarks | undefined {
    return this.#guard(() => this.#peers.get(device));
  }

  intents(): readonly Intent[] {
    return this.#guard(() => this.#intents.all());
  }

  problems(limit: number): readonly Problem[] {
    return this.#guard(() => this.#problems.some(limit));
  }

  /** What was replaced or deleted at this path, newest first. */
  historyOf(path: RelativePath, limit: number): readonly HistoryItem[] {
    return this.#guard(() => this.#history.of(path, limit));
  }

  historyBelow(directory: DirectoryPath, limit: number): readonly HistoryItem[] {
    return this.#guard(() => this.#history.below(directory, limit));
  }

  oldestHistory(limit: number): readonly HistoryItem[] {
    return this.#guard(() => this.#history.oldest(limit));
  }

  historyPaths(limit: number, afterPath?: RelativePath): readonly RelativePath[] {
    return this.#guard(() => this.#history.paths(limit, afterPath));
  }

  /** Counts every row anew; for tests and checks, as it takes time in proportion to the rows. */
  recount(): IndexCounts {
    return this.#guard(() => this.#entries.recount());
  }

  transact<T>(work: (tx: IndexTransaction) => T): T {
    if (this.#busy) throw new IndexError('misuse', 'a transaction of this index is running already');
    return this.#guard(() => {
      this.#begin.run();
      this.#busy = true;
      try {
        const result = work(this.#transaction);
        if (result instanceof Promise) {
          throw new IndexError('misuse', 'a transaction has to be over when its function returns');
        }
        this.#state.save();
        this.#commit.run();
        this.#state.committed();
        return result;
      } catch (error) {
        this.#takeBack();
        throw error;
      } finally {
        this.#busy = false;
      }
    });
  }

  /** Writes everything into the one file. Harmless when it is closed already. */
  close(): void {
    this.#database.close();
  }

  #makeTransaction(): IndexTransaction {
    const inside = <A extends unknown[], R>(write: (...values: A) => R) => {
      return (...values: A): R => {
        if (!this.#busy) throw new IndexError('misuse', 'this transaction is over');
        return write(...values);
      };
    };
    return {
      get: inside((path) => this.#entries.get(path)),
      hasLiveBelow: inside((path) => this.#entries.hasLiveBelow(path)),
      copiesOf: inside((path) => this.#entries.copiesOf(path)),
      finishFirstScan: inside(() => this.#state.finishFirstScan()),
      nextSequence: inside(() => this.#state.takeSequence()),
      put: inside((row) => this.#state.addCounts(this.#entries.put(row))),
      remove: inside((path) => this.#state.addCounts(this.#entries.remove(path))),
      addIntent: inside((intent) => this.#intents.add(intent)),
      removeIntent: inside((id) => this.#intents.remove(id)),
      setPeer: inside((device, watermarks) => this.#peers.set(device, watermarks)),
      removePeer: inside((device) => this.#peers.remove(device)),
      setProblem: inside((problem) => this.#problems.set(problem)),
      clearProblem: inside((path) => this.#problems.clear(path)),
      addHistory: inside((item) => this.#history.add(item)),
      removeHistory: inside((item) => this.#history.remove(item)),
    };
  }

  #takeBack(): void {
    // SQLite rolls back by itself after some failures, and then there is nothing to roll back.
    if (this.#database.inTransaction) this.#rollback.run();
    this.#state.rolledBack();
    this.#devices.reload();
    this.#entries.forget();
  }

  #guard<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      const failure = sqliteFailure(error, this.folder);
      if (failure instanceof IndexError && failure.code === 'damaged') this.#markSuspect();
      throw failure;
    }
  }

  #markSuspect(): void {
    try {
      writeFileSync(this.#suspectMark, '');
    } catch {
      // The disk that damaged the index may refuse this too; then the next opening finds out by itself, or runs into it.
    }
  }
}
