import type { FileEntry } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';
import { nameOf, type RelativePath } from '../model/relative-path.js';
import type { Held, IndexRow } from '../ports/content-index.js';
import type { PathPlan } from './plan-path.js';

export interface PlannedPath {
  readonly row: Pick<IndexRow, 'path' | 'known' | 'held'>;
  readonly plan: PathPlan;
}

/** A file that is wanted at `to` and stands at `from`, where it is to go: one rename does both. */
export interface Move {
  readonly to: PlannedPath & { readonly plan: Extract<PathPlan, { kind: 'file' }> };
  readonly from: RelativePath;
  readonly fromHeld: Held;
  /** The deletion that is held at `from` afterwards. */
  readonly fromEntry: FileEntry;
}

export interface FoundMoves {
  readonly moves: readonly Move[];
  readonly others: readonly PlannedPath[];
}

interface Source {
  readonly planned: PlannedPath;
  readonly held: Held;
  readonly entry: FileEntry;
}

/**
 * Pairs removals and placements of the same content within a batch, one to one, the same name first. Only an optimisation:
 * each pair could as well be done apart. A removal that has to leave a conflict copy is none of them, nor is a placement
 * where a directory stands or that lies below the file it would come from, so that moves never wait for each other.
 */
export function findMoves(batch: readonly PlannedPath[]): FoundMoves {
  const sources = sourcesByContent(batch);
  if (sources.size === 0) return { moves: [], others: batch };
  const moves: Move[] = [];
  const used = new Set<PlannedPath>();
  const pair = (planned: PlannedPath, pick: (candidates: Source[]) => Source | undefined) => {
    const to = asTarget(planned);
    if (to === undefined || used.has(planned)) return;
    const source = pick(sources.get(to.plan.content.hash) ?? []);
    if (source === undefined) return;
    used.add(planned).add(source.planned);
    moves.push({ to, from: source.planned.row.path, fromHeld: source.held, fromEntry: source.entry });
  };
  for (const planned of batch) pair(planned, (candidates) => takeSameName(candidates, planned, used));
  for (const planned of batch) pair(planned, (candidates) => takeAny(candidates, planned, used));
  return { moves, others: batch.filter((planned) => !used.has(planned)) };
}

function sourcesByContent(batch: readonly PlannedPath[]): Map<ContentHash, Source[]> {
  const sources = new Map<ContentHash, Source[]>();
  for (const planned of batch) {
    const { row, plan } = planned;
    if (plan.kind !== 'remove' || plan.displaced.to !== 'history' || row.held === undefined) continue;
    const { content } = row.held.version;
    if (content.type !== 'file' || row.held.stat.type !== 'file' || content.sizeBytes === 0) continue;
    const same = sources.get(content.hash);
    const source = { planned, held: row.held, entry: plan.entry };
    if (same === undefined) sources.set(content.hash, [source]);
    else same.push(source);
  }
  return sources;
}

function asTarget(planned: PlannedPath): Move['to'] | undefined {
  const { row, plan } = planned;
  if (plan.kind !== 'file' || row.held?.stat.type === 'directory') return undefined;
  return { row, plan };
}

function takeSameName(
  candidates: Source[],
  to: PlannedPath,
  used: ReadonlySet<PlannedPath>,
): Source | undefined {
  const name = nameOf(to.row.path);
  // A content that has very many names is not worth a search for the best of them.
  const tried = candidates.length > MAX_TRIED ? candidates.slice(0, MAX_TRIED) : candidates;
  return tried.find(
    (source) => !used.has(source.planned) && nameOf(source.planned.row.path) === name && isApart(source, to),
  );
}

function takeAny(candidates: Source[], to: PlannedPath, used: ReadonlySet<PlannedPath>): Source | undefined {
  while (candidates.length > 0) {
    const source = candidates[candidates.length - 1];
    if (source === undefined) return undefined;
    if (!used.has(source.planned)) {
      if (!isApart(source, to)) return undefined;
      candidates.pop();
      return source;
    }
    candidates.pop();
  }
  return undefined;
}

const MAX_TRIED = 64;

function isApart(source: Source, to: PlannedPath): boolean {
  const from = source.planned.row.path;
  return !to.row.path.startsWith(`${from}/`) && !from.startsWith(`${to.row.path}/`);
}
