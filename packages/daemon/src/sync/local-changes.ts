import type { Content, FileEntry, MetadataRegister } from '../core/model/file-entry.js';
import { sameContent } from '../core/model/file-entry.js';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Problem, ProblemCode } from '../core/model/problem.js';
import { type DirectoryPath, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { Clock } from '../core/ports/clock.js';
import type { ContentIndex, Held, IndexRow, IndexTransaction } from '../core/ports/content-index.js';
import type { FileStat, FolderDisk } from '../core/ports/folder-disk.js';
import type { Difference, Scanner, ScanScope } from '../core/ports/scanner.js';
import { authorMetadata, authorVersion } from '../core/reconcile/author-version.js';
import { isImplicitDirectory } from '../core/reconcile/plan-path.js';
import { findEntryLimit } from '../core/wire/batching.js';
import type { DeletionGuard } from './deletion-guard.js';
import { isSettled, sameStat } from './held-state.js';
import { contentsOfMoved, groupMoves, type MovedContents } from './local-moves.js';
import type { PathLocks } from './path-locks.js';

export interface LocalChangesDependencies {
  readonly index: ContentIndex;
  readonly disk: FolderDisk;
  readonly scanner: Scanner;
  readonly locks: PathLocks;
  readonly clock: Clock;
  readonly device: DeviceKey;
  readonly deletions: Pick<DeletionGuard, 'admit' | 'beginScan' | 'endScan'>;
  /** Called after each commit that made versions. */
  readonly onAuthored: () => void;
  /** A version made here came over one that was announced and never stood here. Inside the transaction. */
  readonly onSuperseded: (lost: FileEntry, winner: FileEntry, tx: IndexTransaction) => void;
  /** Asks for a directory to be looked at again, after this many ms. */
  readonly lookAgain: (directory: DirectoryPath, afterMs: number) => void;
}

type Present = Extract<Difference, { kind: 'present' }>;
type Absent = Extract<Difference, { kind: 'absent' }>;
/** A difference with all that authoring needs: for files, the content that was read. */
type Change =
  | { readonly difference: Present; readonly stat: FileStat; readonly content: Content }
  | { readonly difference: Absent };

/** Differences are worked on in windows, so that what moved within one window is seen as a move. */
const WINDOW = 50_000;
const BATCH_FILES = 256;
const BATCH_BYTES = 16 * 1024 * 1024;
const SMALL_FILE_BYTES = 1024 * 1024;
/** A file modified less than this ago is still being written, for all that can be known. */
const QUIET_MS = 10;
/** A file that never keeps still is taken as it is after this long. */
const PATIENCE_MS = 10_000;
/** A content hashed this soon after a change may change once more without any trace in its times. */
const RACY_MS = 2_000;
const MAX_PROBLEMS = 10_000;
/** What a scan notes, and so takes back when it finds the directory sound again. */
const SCAN_PROBLEMS: ReadonlySet<ProblemCode> = new Set([
  'bad-name',
  'unsupported-type',
  'permission-denied',
  'io-error',
  'submount',
]);

/** Turns what the scanner finds into versions: reads and hashes what changed, and authors it in the index. */
export class LocalChanges {
  private readonly unquietSince = new Map<RelativePath, number>();

  constructor(private readonly deps: LocalChangesDependencies) {}

  /** Looks at the scope and authors all that changed there. Returns how many versions that made. */
  async scan(scope: ScanScope, signal: AbortSignal): Promise<number> {
    let authored = 0;
    let window: Difference[] = [];
    const listed = new Set<string>();
    this.deps.deletions.beginScan();
    for await (const batch of this.deps.scanner.scan(scope, signal)) {
      this.noteProblems(batch.problems, batch.listed);
      if (scope.kind === 'directories') for (const directory of batch.listed) listed.add(directory);
      for (const difference of batch.differences) window.push(difference);
      if (window.length >= WINDOW) {
        authored += await this.authorAll(window, signal);
        window = [];
      }
    }
    authored += await this.authorAll(window, signal);
    this.deps.deletions.endScan(scope.kind, listed);
    return authored;
  }

  /** Hashes again what was hashed too soon after it changed. Returns how many were looked at. */
  async recheckRacy(limit: number, signal: AbortSignal): Promise<number> {
    const rows = this.deps.index.racy(limit);
    const stats = await this.deps.disk.stat(rows.map((row) => row.path));
    const differences: Difference[] = [];
    rows.forEach((row, i) => {
      const result = stats[i];
      if (!result?.ok || result.value?.type !== 'file' || row.held === undefined) return;
      if (this.ageMs(result.value) < RACY_MS) return;
      differences.push({
        kind: 'present',
        path: row.path,
        stat: result.value,
        target: undefined,
        held: row.held,
      });
    });
    await this.authorAll(differences, signal);
    return differences.length;
  }

  private noteProblems(problems: readonly Problem[], listed: readonly DirectoryPath[]): void {
    const directories = new Set<string>(listed);
    const stale = this.deps.index
      .problems(MAX_PROBLEMS)
      .filter(
        (p) =>
          SCAN_PROBLEMS.has(p.code) && directories.has(p.path.slice(0, Math.max(0, p.path.lastIndexOf('/')))),
      );
    if (problems.length === 0 && stale.length === 0) return;
    this.deps.index.transact((tx) => {
      for (const problem of stale) tx.clearProblem(problem.path);
      for (const problem of problems) tx.setProblem(problem);
    });
  }

  private async authorAll(found: readonly Difference[], signal: AbortSignal): Promise<number> {
    const differences = this.deps.deletions.admit(found);
    const moved = contentsOfMoved(differences);
    let authored = 0;
    let batch: Difference[] = [];
    let batchBytes = 0;
    const flush = async () => {
      authored += this.commit(await this.read(batch, moved));
      batch = [];
      batchBytes = 0;
    };
    for (const group of groupMoves(differences)) {
      signal.throwIfAborted();
      const [first] = group;
      const ready = group.filter((difference) => !this.postpone(difference));
      const sizeBytes = first?.kind === 'present' && first.stat.type === 'file' ? first.stat.sizeBytes : 0;
      if (first?.kind === 'present' && ready.includes(first) && sizeBytes > SMALL_FILE_BYTES) {
        await flush();
        authored += await this.authorLarge(first, ready.slice(1), moved, signal);
        continue;
      }
      batch.push(...ready);
      batchBytes += sizeBytes;
      if (batch.length >= BATCH_FILES || batchBytes >= BATCH_BYTES) await flush();
    }
    await flush();
    return authored;
  }

  /** Leaves for later what is being applied, or is still being written. */
  private postpone(difference: Difference): boolean {
    const { path } = difference;
    if (this.deps.locks.has(path)) {
      this.deps.locks.awaitFree(path);
      return true;
    }
    if (difference.kind === 'absent' || difference.stat.type !== 'file') return false;
    const quietForMs = this.deps.clock.nowMs() - msOf(difference.stat.mtimeNs);
    if (quietForMs < 0 || quietForMs >= QUIET_MS) {
      this.unquietSince.delete(path);
      return false;
    }
    const now = this.deps.clock.monotonicMs();
    const since = this.unquietSince.get(path) ?? now;
    if (now - since > PATIENCE_MS) return false;
    if (this.unquietSince.size < 10_000) this.unquietSince.set(path, since);
    this.deps.lookAgain(parentOf(path), QUIET_MS);
    return true;
  }

  private async authorLarge(
    first: Present,
    rest: readonly Difference[],
    moved: MovedContents,
    signal: AbortSignal,
  ): Promise<number> {
    const gone = rest.flatMap((difference): Change[] =>
      difference.kind === 'absent' ? [{ difference }] : [],
    );
    const known = moved.get(first.path);
    if (known !== undefined)
      return this.commit([{ difference: first, stat: first.stat, content: known }, ...gone]);
    const hashed = await this.deps.disk.hash(first.path, first.stat, signal);
    if (hashed.ok)
      return this.commit([
        { difference: first, stat: hashed.value.stat, content: hashed.value.content },
        ...gone,
      ]);
    this.unreadable(first.path, hashed.error);
    return 0;
  }

  /** Reads the small files of a batch; what cannot be read now is left out and looked at again. */
  private async read(batch: readonly Difference[], moved: MovedContents): Promise<Change[]> {
    const toHash = batch.filter(
      (d): d is Present => d.kind === 'present' && d.stat.type === 'file' && !moved.has(d.path),
    );
    const hashed =
      toHash.length === 0
        ? []
        : await this.deps.disk.hashSmall(toHash.map((d) => ({ path: d.path, expected: d.stat })));
    const results = new Map(toHash.map((d, i) => [d, hashed[i]]));
    const changes: Change[] = [];
    for (const difference of batch) {
      if (difference.kind === 'absent') {
        changes.push({ difference });
        continue;
      }
      const { stat } = difference;
      const movedContent = moved.get(difference.path);
      if (movedContent !== undefined) changes.push({ difference, stat, content: movedContent });
      else if (stat.type === 'directory') changes.push({ difference, stat, content: { type: 'directory' } });
      else if (stat.type === 'symlink')
        changes.push({ difference, stat, content: { type: 'symlink', target: difference.target ?? '' } });
      else {
        const result = results.get(difference);
        if (result?.ok) changes.push({ difference, stat: result.value.stat, content: result.value.content });
        else if (result !== undefined) this.unreadable(difference.path, result.error);
      }
    }
    return changes;
  }

  private unreadable(path: RelativePath, error: { code: string; message: string }): void {
    if (error.code === 'changed-meanwhile' || error.code === 'ENOENT' || error.code === 'aborted') {
      this.deps.lookAgain(parentOf(path), QUIET_MS * 5);
      return;
    }
    const code = error.code === 'EACCES' || error.code === 'EPERM' ? 'permission-denied' : 'io-error';
    const text = `It cannot be read (${error.code}). Other devices keep the last version that could be.`;
    this.deps.index.transact((tx) => tx.setProblem({ path, code, text }));
  }

  private commit(changes: readonly Change[]): number {
    if (changes.length === 0) return 0;
    let authored = 0;
    this.deps.index.transact((tx) => {
      for (const change of changes) {
        const { path } = change.difference;
        const row = tx.get(path);
        // Since it was looked at, the applier may have been here: then this difference is about a state that is gone.
        if (this.deps.locks.has(path)) this.deps.locks.awaitFree(path);
        else if (!sameStat(row?.held?.stat, change.difference.held?.stat))
          this.deps.lookAgain(parentOf(path), 0);
        else if (
          'content' in change
            ? this.authorPresent(tx, row, path, change.stat, change.content)
            : this.authorAbsent(tx, row)
        )
          authored++;
      }
    });
    if (authored > 0) this.deps.onAuthored();
    return authored;
  }

  private authorPresent(
    tx: IndexTransaction,
    row: IndexRow | undefined,
    path: RelativePath,
    stat: FileStat,
    content: Content,
  ): boolean {
    const held = row?.held;
    const metadata = metadataOf(stat);
    const racy = stat.type === 'file' && this.ageMs(stat) < RACY_MS;
    tx.clearProblem(path);
    if (row !== undefined && held !== undefined && stat.type === 'directory' && isImplicitDirectory(held)) {
      tx.put({ ...row, held: { ...held, stat } });
      return false;
    }
    if (row !== undefined && held !== undefined && sameContent(held.version.content, content)) {
      const touched =
        stat.type === 'file' &&
        (held.metadata.mtimeNs !== metadata.mtimeNs || differsInMode(held.metadata, metadata));
      const chmodded = stat.type === 'directory' && differsInMode(held.metadata, metadata);
      if (!touched && !chmodded) {
        if (stat.type === 'file') tx.put({ ...row, held: { ...held, stat, racy } });
        return false;
      }
      this.putMetadata(tx, row, held, { metadata, stat, racy });
      return true;
    }
    const sequence = tx.nextSequence();
    const { incarnation, firstScanDone } = this.deps.index.identity();
    const entry = authorVersion({
      path,
      row,
      content,
      metadata,
      incarnation,
      sequence,
      nowMs: this.deps.clock.nowMs(),
      author: this.deps.device,
      found: !firstScanDone,
    });
    return this.putAuthored(tx, row, entry, sequence, {
      version: entry.version,
      metadata: entry.metadata,
      stat,
      racy,
    });
  }

  private putAuthored(
    tx: IndexTransaction,
    row: IndexRow | undefined,
    entry: FileEntry,
    sequence: number,
    held: Held | undefined,
  ): boolean {
    const limit = findEntryLimit(entry);
    if (limit !== undefined) {
      tx.setProblem({ path: entry.path, code: 'limit-exceeded', text: limit });
      return false;
    }
    tx.put({
      path: entry.path,
      sequence,
      known: entry,
      held,
      source: undefined,
      conflictOf: row?.conflictOf,
    });
    if (row?.known !== undefined && !isSettled(row)) this.deps.onSuperseded(row.known, entry, tx);
    return true;
  }

  private putMetadata(
    tx: IndexTransaction,
    row: IndexRow,
    held: Held,
    seen: { metadata: Omit<MetadataRegister, 'stamp'>; stat: FileStat; racy: boolean },
  ): void {
    const sequence = tx.nextSequence();
    const { incarnation } = this.deps.index.identity();
    const metadata = authorMetadata({
      row,
      metadata: seen.metadata,
      incarnation,
      nowMs: this.deps.clock.nowMs(),
    });
    // The metadata register is a last-writer-wins register of its own: it goes with whatever content is known.
    const known = row.known === undefined ? undefined : { ...row.known, metadata };
    tx.put({
      ...row,
      sequence,
      known,
      source: undefined,
      held: { ...held, metadata, stat: seen.stat, racy: seen.racy },
    });
  }

  private authorAbsent(tx: IndexTransaction, row: IndexRow | undefined): boolean {
    if (row?.held === undefined) return false;
    if (isImplicitDirectory(row.held)) {
      if (row.known === undefined) tx.remove(row.path);
      else tx.put({ ...row, held: undefined });
      return false;
    }
    const sequence = tx.nextSequence();
    const { incarnation } = this.deps.index.identity();
    const entry = authorVersion({
      path: row.path,
      row,
      content: { type: 'deleted' },
      metadata: row.held.metadata,
      incarnation,
      sequence,
      nowMs: this.deps.clock.nowMs(),
      author: this.deps.device,
      found: false,
    });
    tx.clearProblem(row.path);
    return this.putAuthored(tx, row, entry, sequence, undefined);
  }

  private ageMs(stat: FileStat): number {
    const now = this.deps.clock.nowMs();
    return Math.min(Math.abs(now - msOf(stat.mtimeNs)), Math.abs(now - msOf(stat.ctimeNs)));
  }
}

function msOf(ns: bigint): number {
  return Number(ns / 1_000_000n);
}

function metadataOf(stat: FileStat): Omit<MetadataRegister, 'stamp'> {
  return { mtimeNs: stat.mtimeNs, executable: (stat.mode & 0o100) !== 0, mode: stat.mode };
}

function differsInMode(a: Omit<MetadataRegister, 'stamp'>, b: Omit<MetadataRegister, 'stamp'>): boolean {
  return a.mode === undefined || b.mode === undefined ? a.executable !== b.executable : a.mode !== b.mode;
}
