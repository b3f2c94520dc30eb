import type { FileEntry } from '../core/model/file-entry.js';
import { parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { ApplyAction, ApplyTask, FileSource } from '../core/ports/applier.js';
import type { Blake3 } from '../core/ports/clock.js';
import type { ContentIndex, Held, IndexRow } from '../core/ports/content-index.js';
import { findMoves, type Move } from '../core/reconcile/find-moves.js';
import { orderPlans } from '../core/reconcile/order-plans.js';
import { type PathPlan, planPath } from '../core/reconcile/plan-path.js';
import type { FileContent } from './content-fetch.js';

export interface Planned {
  readonly row: IndexRow;
  readonly plan: PathPlan;
}

/** What one batch of paths comes to. */
export interface ApplyPlan {
  /** To be done on the disk, in order. */
  readonly tasks: readonly ApplyTask[];
  /** Nothing to do on the disk: the index alone follows. */
  readonly adoptions: readonly { readonly path: RelativePath; readonly entry: FileEntry }[];
  /** Conflict copies of winners that stand nowhere yet, to be merged into the index. */
  readonly copies: readonly { readonly original: RelativePath; readonly entry: FileEntry }[];
  /** Contents that must come from a peer first. */
  readonly toFetch: readonly { readonly path: RelativePath; readonly content: FileContent }[];
  /** Directories that still hold something that is to go; looked at again when it has gone. */
  readonly waiting: readonly RelativePath[];
}

export interface ApplyPlanContext {
  readonly index: ContentIndex;
  readonly blake3: Blake3;
  /** The content of this hash, when it was fetched for this path. */
  readonly fetched: (path: RelativePath, content: FileContent) => FileSource | undefined;
  /** Nothing is deleted for now; moves are no deletions. */
  readonly holdsDeletions: boolean;
}

/** Plans paths together: with the parents they need, and with moves found among them. */
export function planBatch(paths: Iterable<RelativePath>, context: ApplyPlanContext): ApplyPlan {
  const planned = new Map<RelativePath, Planned>();
  for (const path of paths) planWithParents(path, planned, context);
  const { moves, others } = findMoves([...planned.values()]);
  const moveTo = new Map<PathPlan, Move>(moves.map((move) => [move.to.plan, move]));
  const ordered = orderPlans<Planned>([
    ...(others as readonly Planned[]),
    ...moves.map((move) => move.to as unknown as Planned),
  ]);
  const result: Collected = { tasks: [], adoptions: [], copies: [], toFetch: [], waiting: [] };
  for (const item of ordered) {
    const move = moveTo.get(item.plan);
    if (move !== undefined) result.tasks.push(moveTask(item, move));
    else addPlan(item, planned, context, result);
  }
  return result;
}

/** The content that this path lacks and that stands nowhere here; undefined when it can be applied as it is. */
export function contentToFetch(
  path: RelativePath,
  context: Pick<ApplyPlanContext, 'index' | 'blake3'>,
): FileContent | undefined {
  const { index, blake3 } = context;
  const plan = planPath(rowOf(path, index), {
    hasLiveBelow: index.hasLiveBelow(path),
    blake3,
    knownAt: knownIn(index),
  });
  return plan.kind === 'file' && localSource(plan.content, index) === undefined ? plan.content : undefined;
}

/** A path needs its parent to be a directory: parents that are not are planned with it, above it. */
function planWithParents(
  path: RelativePath,
  planned: Map<RelativePath, Planned>,
  context: ApplyPlanContext,
): void {
  if (planned.has(path)) return;
  const row = rowOf(path, context.index);
  const hasLiveBelow = context.index.hasLiveBelow(path);
  const plan = planPath(row, { hasLiveBelow, blake3: context.blake3, knownAt: knownIn(context.index) });
  const makes =
    plan.kind === 'file' || plan.kind === 'symlink' || plan.kind === 'directory' || plan.kind === 'shadowed';
  const parent = parentOf(path);
  if (makes && parent !== '' && context.index.get(parent)?.held?.stat.type !== 'directory') {
    planWithParents(parent, planned, context);
  }
  planned.set(path, { row, plan });
}

function knownIn(index: ContentIndex): (path: RelativePath) => FileEntry | undefined {
  return (path) => index.get(path)?.known;
}

function rowOf(path: RelativePath, index: ContentIndex): IndexRow {
  return (
    index.get(path) ?? {
      path,
      sequence: 0,
      known: undefined,
      held: undefined,
      source: undefined,
      conflictOf: undefined,
    }
  );
}

type Collected = {
  -readonly [K in keyof ApplyPlan]: ApplyPlan[K] extends readonly (infer T)[] ? T[] : never;
};

function addPlan(
  item: Planned,
  planned: ReadonlyMap<RelativePath, Planned>,
  context: ApplyPlanContext,
  into: Collected,
): void {
  const { row, plan } = item;
  const { path } = row;
  switch (plan.kind) {
    case 'settled':
      return;
    case 'adopt':
    case 'keep-as-implicit-directory':
      into.adoptions.push({ path, entry: plan.entry });
      return;
    case 'metadata':
      into.tasks.push(taskOf(item, plan.entry, { kind: 'metadata' }));
      return;
    case 'file': {
      const from = context.fetched(path, plan.content) ?? localSource(plan.content, context.index);
      if (from !== undefined) into.tasks.push(taskOf(item, plan.entry, { kind: 'file', from }));
      else into.toFetch.push({ path, content: plan.content });
      return;
    }
    case 'symlink':
      into.tasks.push(taskOf(item, plan.entry, { kind: 'symlink', target: plan.target }));
      return;
    case 'directory':
      into.tasks.push(taskOf(item, plan.entry, { kind: 'directory' }));
      return;
    case 'shadowed':
      if (plan.displaced.to === 'history') into.copies.push({ original: path, entry: plan.copy });
      else if (plan.displaced.entry.path !== plan.copy.path)
        into.copies.push({ original: path, entry: plan.copy });
      if (plan.directoryStands) into.adoptions.push({ path, entry: plan.entry });
      else into.tasks.push(taskOf(item, plan.entry, { kind: 'directory' }));
      return;
    case 'remove':
      if (context.holdsDeletions) return;
      if (stillHolds(path, planned, context.index)) into.waiting.push(path);
      else into.tasks.push(taskOf(item, plan.entry, { kind: 'remove' }));
  }
}

/** True when something below stands that is not on its way out in this same batch. */
function stillHolds(
  path: RelativePath,
  planned: ReadonlyMap<RelativePath, Planned>,
  index: ContentIndex,
): boolean {
  return index.heldChildren(path).some((child) => {
    const plan = planned.get(child.path)?.plan;
    return plan?.kind !== 'remove';
  });
}

function localSource(content: FileContent, index: ContentIndex): FileSource | undefined {
  if (content.chunks.length === 0) return { kind: 'bytes', bytes: new Uint8Array(0) };
  const [path] = index.heldWithContent(content.hash, 1);
  return path === undefined ? undefined : { kind: 'copy', path };
}

function moveTask(item: Planned, move: Move): ApplyTask {
  const { from, fromHeld, fromEntry } = move;
  return taskOf(item, move.to.plan.entry, { kind: 'move', from, fromStat: fromHeld.stat, fromEntry });
}

function taskOf({ row, plan }: Planned, entry: FileEntry, action: ApplyAction): ApplyTask {
  const displaced = 'displaced' in plan ? plan.displaced : ({ to: 'history' } as const);
  return {
    path: row.path,
    entry,
    assumed: row.held?.stat,
    verifyHash: hashToVerify(row.held, action),
    action,
    displaced,
  };
}

function hashToVerify(held: Held | undefined, action: ApplyAction) {
  if (held?.racy !== true || held.version.content.type !== 'file') return undefined;
  return action.kind === 'metadata' || action.kind === 'adopt' ? undefined : held.version.content.hash;
}
