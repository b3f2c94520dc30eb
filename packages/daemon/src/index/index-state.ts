import type { Database, Statement } from 'better-sqlite3';
import {
  type FolderId,
  type IncarnationId,
  type IndexId,
  parseIncarnationId,
  parseIndexId,
} from '../core/model/identifiers.js';
import type { RandomBytes } from '../core/ports/clock.js';
import type { IndexCounts, IndexIdentity } from '../core/ports/content-index.js';
import { addCounts, NO_COUNTS } from './index-counts.js';
import { IndexError } from './index-error.js';

interface StateRow {
  readonly folder: string;
  readonly index_id: string;
  readonly incarnation: string;
  readonly sequence: number;
  readonly commit_tag: string;
  readonly first_scan_done: number;
  readonly files: number;
  readonly directories: number;
  readonly bytes: number;
  readonly need_files: number;
  readonly need_bytes: number;
  readonly conflicts: number;
}

interface State {
  readonly identity: IndexIdentity;
  readonly counts: IndexCounts;
}

/** Identity and counts: kept in memory, written once a transaction, and taken back when it fails. */
export class IndexState {
  readonly #update: Statement;
  readonly #randomBytes: RandomBytes;
  #committed: State;
  #current: State;

  /** Reads the state, or makes that of a new index. Throws `wrong-folder`, and RangeError when it is no state. */
  constructor(database: Database, folder: FolderId, randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes;
    this.#update = database.prepare(
      `UPDATE state SET sequence = @sequence, commit_tag = @commitTag, first_scan_done = @firstScanDone, files = @files,
       directories = @directories, bytes = @bytes, need_files = @needFiles, need_bytes = @needBytes, conflicts = @conflicts`,
    );
    const select = database.prepare<[], StateRow>('SELECT * FROM state');
    let row = select.get();
    if (row === undefined) {
      database
        .prepare('INSERT INTO state VALUES (1, ?, ?, ?, 0, ?, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL)')
        .run(folder, ...newIdentityTexts(randomBytes));
      row = select.get();
    }
    this.#committed = stateOfRow(row, folder);
    this.#current = this.#committed;
  }

  get identity(): IndexIdentity {
    return this.#current.identity;
  }

  get counts(): IndexCounts {
    return this.#current.counts;
  }

  takeSequence(): number {
    const sequence = this.identity.sequence + 1;
    this.#current = { ...this.#current, identity: { ...this.identity, sequence } };
    return sequence;
  }

  finishFirstScan(): void {
    if (this.identity.firstScanDone) return;
    this.#current = { ...this.#current, identity: { ...this.identity, firstScanDone: true } };
  }

  addCounts(change: IndexCounts): void {
    this.#current = { ...this.#current, counts: addCounts(this.counts, change) };
  }

  /** Writes what changed, inside the transaction. The tag goes with the sequence: a peer compares them together. */
  save(): void {
    if (this.#current === this.#committed) return;
    if (this.identity.sequence !== this.#committed.identity.sequence) {
      const commitTag = hex(this.#randomBytes(8));
      this.#current = { ...this.#current, identity: { ...this.identity, commitTag } };
    }
    const { sequence, commitTag, firstScanDone } = this.identity;
    this.#update.run({ sequence, commitTag, firstScanDone: firstScanDone ? 1 : 0, ...this.counts });
  }

  committed(): void {
    this.#committed = this.#current;
  }

  rolledBack(): void {
    this.#current = this.#committed;
  }
}

/** Index ID, incarnation and first commit tag of an index that was never before. */
export function newIdentityTexts(randomBytes: RandomBytes): [IndexId, IncarnationId, string] {
  return [hex(randomBytes(8)) as IndexId, hex(randomBytes(8)) as IncarnationId, hex(randomBytes(8))];
}

function stateOfRow(row: StateRow | undefined, folder: FolderId): State {
  const indexId = row && parseIndexId(row.index_id);
  const incarnation = row && parseIncarnationId(row.incarnation);
  if (row === undefined || indexId === undefined || incarnation === undefined) {
    throw new RangeError('the index has no sound identity');
  }
  if (row.folder !== folder) {
    throw new IndexError('wrong-folder', `This is the index of folder ${row.folder}, not of ${folder}.`);
  }
  return {
    identity: {
      indexId,
      incarnation,
      sequence: row.sequence,
      commitTag: row.commit_tag,
      firstScanDone: row.first_scan_done === 1,
    },
    counts: {
      ...NO_COUNTS,
      files: row.files,
      directories: row.directories,
      bytes: row.bytes,
      needFiles: row.need_files,
      needBytes: row.need_bytes,
      conflicts: row.conflicts,
    },
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
