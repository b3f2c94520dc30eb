import { type Content, type FileEntry, isLive, sameContent } from '../model/file-entry.js';
import type { DeviceKey } from '../model/identifiers.js';
import { isBelow, parentOf, type RelativePath } from '../model/relative-path.js';
import type { Held, IndexRow } from '../ports/content-index.js';
import { authorMetadata, authorVersion } from '../reconcile/author-version.js';
import { originalOfConflict } from '../reconcile/conflict-name.js';
import { findMoves, type Move, type PlannedPath } from '../reconcile/find-moves.js';
import { mergeRemote } from '../reconcile/merge-remote.js';
import { isNeedlessCopy } from '../reconcile/needless-copy.js';
import { orderPlans } from '../reconcile/order-plans.js';
import { isImplicitDirectory, type PathPlan, planPath } from '../reconcile/plan-path.js';
import { asPath, fakeBlake3, heldOf, incarnationOf, rowOf } from './entries.js';

/** What a person can see of a path. */
export type Standing = Content['type'] | string;

/**
 * One device with one folder, without disk, network or clock: authors, merges and applies with the real functions, and
 * refuses what no disk would do (a file without its parent, a directory removed that is not empty).
 */
export class Replica {
  readonly rows = new Map<RelativePath, IndexRow>();
  private sequence = 0;

  constructor(
    readonly name: string,
    /** Its wall clock, which need not agree with anybody's. */
    private readonly nowMs: () => number,
  ) {}

  /** A person puts this at the path, in place of whatever stands there. Returns the contents that this replaced. */
  write(path: string, content: Content): readonly Content[] {
    const at = asPath(path);
    const parent = parentOf(at);
    if (parent !== '' && !this.isDirectory(parent)) return [];
    const replaced = this.removeBelow(at);
    const row = this.rows.get(at);
    const standing = this.standing(at);
    if (standing !== undefined && sameContent(standing, content)) return replaced;
    if (standing === undefined && content.type === 'deleted') return replaced;
    this.author(at, content);
    return row?.held === undefined ? replaced : [...replaced, row.held.version.content];
  }

  touch(path: string, mtimeNs: bigint, executable: boolean): void {
    const at = asPath(path);
    const row = this.rows.get(at);
    if (row?.held === undefined || row.known === undefined || isImplicitDirectory(row.held)) return;
    const metadata = authorMetadata({
      row,
      metadata: { mtimeNs, executable },
      incarnation: incarnationOf(this.name),
      nowMs: this.nowMs(),
    });
    this.rows.set(at, { ...row, known: { ...row.known, metadata }, held: { ...row.held, metadata } });
  }

  /** Takes in all that the other one knows. True when something changed. */
  hear(other: Replica): boolean {
    let changed = false;
    for (const { known } of other.rows.values()) if (known !== undefined && this.merge(known)) changed = true;
    return changed;
  }

  /** Brings the folder into the state that is known. True when something changed. */
  apply(): boolean {
    // Copies are known before anything moves, so that the directories they need are seen to be needed.
    for (const { plan } of this.plans()) for (const copy of copiesOf(plan)) this.merge(copy);
    const plans = this.plans();
    const madeByDisplacing = new Set(plans.flatMap(({ plan }) => copiesOf(plan).map((copy) => copy.path)));
    const { moves, others } = findMoves(plans.filter(({ row }) => !madeByDisplacing.has(row.path)));
    const steps = [
      ...moves.map((move) => ({ ...move.to, move })),
      ...others.map((item) => ({ ...item, move: undefined })),
    ];
    for (const step of orderPlans<PlannedPath & { readonly move: Move | undefined }>(steps)) {
      if (step.move !== undefined) this.moveAway(step.move);
      this.carryOut(step.row.path, step.plan);
    }
    return plans.length > 0;
  }

  /** What stands in the folder, by path. */
  tree(): Record<string, Standing> {
    const tree: Record<string, Standing> = {};
    for (const path of [...this.rows.keys()].sort()) {
      const standing = this.standing(path);
      if (standing !== undefined) tree[path] = describe(standing);
    }
    return tree;
  }

  known(): Record<string, FileEntry | undefined> {
    return Object.fromEntries(
      [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, row]) => [path, row.known]),
    );
  }

  contents(): Content[] {
    return [...this.rows.keys()].flatMap((path) => this.standing(path) ?? []);
  }

  private author(path: RelativePath, content: Content): void {
    const row = this.rows.get(path);
    const entry = authorVersion({
      path,
      row,
      content,
      metadata: { mtimeNs: BigInt(this.nowMs()) * 1_000_000n, executable: false },
      incarnation: incarnationOf(this.name),
      sequence: ++this.sequence,
      nowMs: this.nowMs(),
      author: `${this.name.toUpperCase()}-REST` as DeviceKey,
      found: false,
    });
    this.put(path, entry, content.type === 'deleted' ? undefined : heldOf(entry));
  }

  private removeBelow(path: RelativePath): Content[] {
    const below = [...this.rows.values()].filter((row) => isBelow(row.path, path) && row.held !== undefined);
    const removed: Content[] = [];
    for (const row of below.sort((a, b) => (a.path < b.path ? 1 : -1))) {
      if (isImplicitDirectory(row.held)) this.rows.set(row.path, { ...row, held: undefined });
      else {
        if (row.held !== undefined) removed.push(row.held.version.content);
        this.author(row.path, { type: 'deleted' });
      }
    }
    return removed;
  }

  private merge(entry: FileEntry): boolean {
    const row = this.rows.get(entry.path);
    const merged = mergeRemote(row, entry, { nowMs: this.nowMs() });
    if (merged.verdict === 'implausible') throw new Error(`implausible: ${merged.problem.text}`);
    if (merged.entry === row?.known) return false;
    this.put(entry.path, merged.entry, row?.held);
    this.dropNeedlessCopies(merged.entry);
    return true;
  }

  private dropNeedlessCopies(winner: FileEntry): void {
    for (const { path, known, held } of [...this.rows.values()]) {
      const isCopy = originalOfConflict(path) === winner.path && known?.version.replaced.length === 0;
      const isUnmodified = held !== undefined && known?.version.vector === held.version.vector;
      if (isCopy && isUnmodified && isNeedlessCopy(known.version, winner.version)) {
        this.author(path, { type: 'deleted' });
      }
    }
  }

  private plans(): { row: IndexRow; plan: PathPlan }[] {
    return [...this.rows.values()]
      .map((row) => ({
        row,
        plan: planPath(row, {
          hasLiveBelow: this.hasLiveBelow(row.path),
          blake3: fakeBlake3,
          knownAt: (path) => this.rows.get(path)?.known,
        }),
      }))
      .filter(({ plan }) => plan.kind !== 'settled');
  }

  private moveAway(move: Move): void {
    const row = this.rows.get(move.from);
    if (row?.held === undefined) throw new Error(`nothing to move at ${move.from}`);
    this.rows.set(move.from, { ...row, held: undefined });
  }

  private carryOut(path: RelativePath, plan: PathPlan): void {
    const row = this.rows.get(path);
    if (plan.kind === 'settled' || row === undefined) return;
    const parent = parentOf(path);
    if (parent !== '' && plan.kind !== 'remove' && !this.isDirectory(parent))
      throw new Error(`no directory for ${path}`);
    const becomesDirectory =
      plan.kind === 'directory' || plan.kind === 'shadowed' || plan.kind === 'keep-as-implicit-directory';
    const stays = becomesDirectory || plan.kind === 'adopt' || plan.kind === 'metadata';
    if (this.isDirectory(path) && !stays && this.rowsHeldBelow(path) > 0)
      throw new Error(`${path} is not empty`);
    if ('displaced' in plan && plan.displaced.to === 'copy') this.keep(plan.displaced.entry);
    if (plan.kind === 'remove') this.put(path, row.known, undefined);
    else this.put(path, row.known, heldOf(plan.entry, becomesDirectory ? 'directory' : undefined));
  }

  private keep(copy: FileEntry): void {
    this.put(copy.path, this.rows.get(copy.path)?.known, heldOf(copy));
  }

  private put(path: RelativePath, known: FileEntry | undefined, held: Held | undefined): void {
    this.rows.set(path, { ...rowOf(path, known), held });
  }

  private standing(path: RelativePath): Content | undefined {
    const held = this.rows.get(path)?.held;
    return isImplicitDirectory(held) ? { type: 'directory' } : held?.version.content;
  }

  private isDirectory(path: RelativePath): boolean {
    return this.standing(path)?.type === 'directory';
  }

  private rowsHeldBelow(path: RelativePath): number {
    return [...this.rows.values()].filter((row) => row.held !== undefined && isBelow(row.path, path)).length;
  }

  private hasLiveBelow(path: RelativePath): boolean {
    for (const { known } of this.rows.values()) {
      if (known !== undefined && isBelow(known.path, path) && isLive(known)) return true;
    }
    return false;
  }
}

function copiesOf(plan: PathPlan): FileEntry[] {
  const copies: FileEntry[] = [];
  if ('displaced' in plan && plan.displaced.to === 'copy') copies.push(plan.displaced.entry);
  if (plan.kind === 'shadowed') copies.push(plan.copy);
  return copies;
}

function describe(content: Content): Standing {
  if (content.type === 'file') return `file ${content.hash}`;
  return content.type === 'symlink' ? `link ${content.target}` : content.type;
}
