import { DeletionCount, type MassDeleteLimits } from '../core/guards/mass-delete.js';
import type { Content, FileEntry } from '../core/model/file-entry.js';
import type { ContentHash, DeviceKey } from '../core/model/identifiers.js';
import { parentOf, type RelativePath } from '../core/model/relative-path.js';
import { joinVectors } from '../core/model/version-vector.js';
import type { Clock } from '../core/ports/clock.js';
import type { ContentIndex, IndexRow, IndexTransaction } from '../core/ports/content-index.js';
import type { Difference, ScanScope } from '../core/ports/scanner.js';
import { authorVersion } from '../core/reconcile/author-version.js';
import { isImplicitDirectory } from '../core/reconcile/plan-path.js';

export interface DeletionGuardDependencies {
  readonly index: ContentIndex;
  readonly clock: Clock;
  readonly device: DeviceKey;
  /** In force now; undefined when nothing is to be held. */
  readonly limits: () => MassDeleteLimits | undefined;
  /** A deletion that came from a peer is known and not done here. */
  readonly onHeldBack: (path: RelativePath, reason: string) => void;
}

/** What is held, for a person who has to decide. */
export interface HeldDeletions {
  readonly files: number;
  /** The first of them, in the order of their paths. */
  readonly paths: readonly RelativePath[];
  /** Who deleted them. */
  readonly devices: readonly DeviceKey[];
}

/** An entry that is known from now on, and the row as it was before. */
export interface Adopted {
  readonly before: IndexRow | undefined;
  readonly entry: FileEntry;
}

type Absent = Extract<Difference, { kind: 'absent' }>;

const HELD_REASON = 'many files were deleted at once: it is deleted there once somebody approves';
const NOTE = {
  path: '',
  code: 'mass-delete',
  text: 'Very many files were deleted at once. Nothing is deleted until somebody decides.',
} as const;
const PATHS_SHOWN = 20;
const PASS_ROWS = 500;
/** Contents that came lately, by which a move is told from a deletion. */
const MAX_ARRIVED = 50_000;

/**
 * Holds deletions when there are very many of them at once. What was deleted here is not announced; what was deleted
 * elsewhere is known and passed on, and not done here. That lasts over restarts, until somebody approves or refuses, or
 * until nothing is left that it holds.
 */
export class DeletionGuard {
  private readonly deletedHere = new DeletionCount();
  private readonly deletedThere = new DeletionCount();
  private readonly arrived = new Map<ContentHash, Set<RelativePath>>();
  private holding: boolean;
  /** Held, gone from this disk, not announced. Never more than stood here. */
  private gone = new Set<RelativePath>();
  private goneNow = new Set<RelativePath>();
  private approved: ReadonlySet<RelativePath> = new Set();

  constructor(private readonly deps: DeletionGuardDependencies) {
    this.holding = deps.index.problems(1).some(({ path, code }) => path === '' && code === NOTE.code);
    if (this.holding) for (const { path } of this.heldBack()) deps.onHeldBack(path, HELD_REASON);
  }

  get isHolding(): boolean {
    return this.holding;
  }

  held(): HeldDeletions | undefined {
    if (!this.holding) return undefined;
    const { index, device } = this.deps;
    const paths: RelativePath[] = [];
    const devices = new Set<DeviceKey>();
    for (const path of this.gone) {
      if (!isFile(index.get(path)?.held?.version.content)) continue;
      paths.push(path);
      devices.add(device);
    }
    for (const row of this.heldBack()) {
      if (!isFile(row.held?.version.content)) continue;
      paths.push(row.path);
      if (row.known !== undefined) devices.add(row.known.version.author);
    }
    paths.sort();
    return { files: paths.length, paths: paths.slice(0, PATHS_SHOWN), devices: [...devices] };
  }

  // ---- what a scan finds

  beginScan(): void {
    this.goneNow = new Set();
  }

  /** What of this is to be authored: all of it, or all but what is gone. */
  admit(differences: readonly Difference[]): readonly Difference[] {
    const limits = this.deps.limits();
    if (limits === undefined && !this.holding) return differences;
    const deletions = this.deletionsAmong(differences);
    if (deletions.size === 0) return differences;
    const { index, clock } = this.deps;
    const files = [...deletions].filter(({ held }) => isFile(held.version.content)).length;
    const standing = index.counts().files;
    const nowMs = clock.monotonicMs();
    if (limits !== undefined && this.deletedHere.wouldExceed(files, standing, nowMs, limits)) this.hold();
    if (!this.holding) {
      this.deletedHere.add(files, standing, nowMs);
      return differences;
    }
    for (const { path } of deletions) this.goneNow.add(path);
    return differences.filter((difference) => !deletions.has(difference as Absent));
  }

  /** The scan is complete: what was held and was not found gone again is there again. */
  endScan(scope: ScanScope['kind'], listed: ReadonlySet<string>): void {
    if (scope === 'everything') {
      this.gone = this.goneNow;
      this.approved = new Set();
    } else {
      for (const path of this.gone) {
        if (listed.has(parentOf(path)) && !this.goneNow.has(path)) this.gone.delete(path);
      }
      for (const path of this.goneNow) this.gone.add(path);
    }
    if (this.holding && this.gone.size === 0 && this.heldBack().next().done === true) this.release();
  }

  /** What is gone and nowhere else, and was not approved or deleted elsewhere too. */
  private deletionsAmong(differences: readonly Difference[]): Set<Absent> {
    const appeared = new Set<bigint>();
    for (const d of differences) {
      if (d.kind === 'present' && d.stat.type === 'file') appeared.add(d.stat.inode);
    }
    const deletions = new Set<Absent>();
    for (const d of differences) {
      if (d.kind !== 'absent' || this.approved.has(d.path) || isImplicitDirectory(d.held)) continue;
      if (d.held.stat.type === 'file' && appeared.has(d.held.stat.inode)) continue;
      if (this.deps.index.get(d.path)?.known?.version.content.type !== 'deleted') deletions.add(d);
    }
    return deletions;
  }

  // ---- what peers announce

  /** Counts what one batch of entries deletes here; inside its transaction. */
  received(batch: readonly Adopted[], tx: IndexTransaction): void {
    const deleted: RelativePath[] = [];
    for (const { before, entry } of batch) {
      const { content } = entry.version;
      if (content.type === 'file') this.noteArrived(content.hash, entry.path);
      if (content.type !== 'deleted' || before?.held === undefined) continue;
      const held = before.held.version.content;
      if (
        isFile(held) &&
        before.known?.version.content.type !== 'deleted' &&
        !this.hasMoved(held, entry.path)
      )
        deleted.push(entry.path);
    }
    const limits = this.deps.limits();
    const nowMs = this.deps.clock.monotonicMs();
    const standing = this.deps.index.counts().files;
    if (limits !== undefined && this.deletedThere.wouldExceed(deleted.length, standing, nowMs, limits)) {
      this.holding = true;
      tx.setProblem(NOTE);
    }
    if (this.holding) for (const path of deleted) this.deps.onHeldBack(path, HELD_REASON);
    else this.deletedThere.add(deleted.length, standing, nowMs);
  }

  private noteArrived(hash: ContentHash, path: RelativePath): void {
    const paths = this.arrived.get(hash);
    if (paths !== undefined) paths.add(path);
    else if (this.arrived.size < MAX_ARRIVED) this.arrived.set(hash, new Set([path]));
    else {
      this.arrived.clear();
      this.arrived.set(hash, new Set([path]));
    }
  }

  /** The content has come under another name: each that came makes up for one that went. */
  private hasMoved(content: Content, path: RelativePath): boolean {
    const paths = content.type === 'file' ? this.arrived.get(content.hash) : undefined;
    if (paths === undefined) return false;
    paths.delete(path);
    const [other] = paths;
    return other !== undefined && paths.delete(other);
  }

  // ---- what a person decides

  /** Lets go what is held. The folder is to be looked at, and what is known to be applied, after that. */
  approve(): void {
    this.approved = this.gone;
    this.gone = new Set();
    this.release();
  }

  /**
   * Takes the deletions back. What is gone here is wanted again, from whoever has it; what was deleted elsewhere is
   * authored again as it stands here. Returns the paths of both.
   */
  refuse(): { readonly wanted: readonly RelativePath[]; readonly kept: readonly RelativePath[] } {
    const wanted = [...this.gone];
    const back = [...this.heldBack()];
    this.deps.index.transact((tx) => {
      for (const path of wanted) {
        const row = tx.get(path);
        if (row !== undefined) tx.put({ ...row, held: undefined });
      }
      for (const { path } of back) this.authorAgain(tx, path);
    });
    this.gone = new Set();
    this.release();
    return { wanted, kept: back.map(({ path }) => path) };
  }

  private authorAgain(tx: IndexTransaction, path: RelativePath): void {
    const row = tx.get(path);
    if (row?.held === undefined || row.known === undefined) return;
    const { held, known } = row;
    // Made by somebody who knows of the deletion: it must not stand beside it.
    const vector = joinVectors(held.version.vector, known.version.vector);
    const sequence = tx.nextSequence();
    const entry = authorVersion({
      path,
      row: { known, held: { ...held, version: { ...held.version, vector } } },
      content: held.version.content,
      metadata: held.metadata,
      incarnation: this.deps.index.identity().incarnation,
      sequence,
      nowMs: this.deps.clock.nowMs(),
      author: this.deps.device,
      found: false,
    });
    const { version, metadata } = entry;
    tx.put({ ...row, sequence, known: entry, source: undefined, held: { ...held, version, metadata } });
  }

  private hold(): void {
    if (this.holding) return;
    this.holding = true;
    this.deps.index.transact((tx) => tx.setProblem(NOTE));
  }

  private release(): void {
    if (!this.holding) return;
    this.holding = false;
    this.deletedHere.reset();
    this.deletedThere.reset();
    this.deps.index.transact((tx) => tx.clearProblem(NOTE.path));
  }

  /** What stands here and is known to be deleted elsewhere. */
  private *heldBack(): Generator<IndexRow> {
    let after: RelativePath | undefined;
    for (;;) {
      const rows = this.deps.index.needed(PASS_ROWS, after);
      for (const row of rows) {
        if (row.known?.version.content.type !== 'deleted' || row.held === undefined) continue;
        if (!isImplicitDirectory(row.held)) yield row;
      }
      after = rows.at(-1)?.path;
      if (rows.length < PASS_ROWS || after === undefined) return;
    }
  }
}

function isFile(content: Content | undefined): boolean {
  return content?.type === 'file' || content?.type === 'symlink';
}
