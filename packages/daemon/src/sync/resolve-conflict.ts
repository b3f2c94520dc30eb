import type { ResolutionStep } from '../core/conflicts/resolution.js';
import type { Problem } from '../core/model/problem.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ContentIndex, Held } from '../core/ports/content-index.js';
import type { LocalEdit, LocalEditOutcome, LocalEdits } from './local-edits.js';

export interface ResolveDependencies {
  readonly index: ContentIndex;
  readonly edits: Pick<LocalEdits, 'perform'>;
}

const CHANGED = 'It changed meanwhile. Look at it again.';

/** Does one step after the other; what goes, goes to history. Returns what stood in the way, at the first step it did. */
export async function resolveConflict(
  steps: readonly ResolutionStep[],
  { index, edits }: ResolveDependencies,
  signal: AbortSignal,
): Promise<Problem | undefined> {
  for (const step of steps) {
    const held = index.get(step.copy)?.held;
    if (held === undefined) return { path: step.copy, code: 'keeps-changing', text: CHANGED };
    const placed = step.kind === 'remove' ? undefined : placing(step, held);
    const done =
      problemOf(step.copy, placed && (await edits.perform(placed, signal))) ??
      problemOf(step.copy, await edits.perform(removal(step.copy, held), signal));
    if (done !== undefined) return done;
  }
  return undefined;
}

function placing(step: Exclude<ResolutionStep, { kind: 'remove' }>, held: Held): LocalEdit {
  const { version, metadata } = held;
  const path = step.kind === 'replace' ? step.original : step.to;
  const { content } = version;
  const action: LocalEdit['action'] =
    content.type === 'symlink'
      ? { kind: 'symlink', target: content.target }
      : { kind: 'file', from: { kind: 'copy', path: step.copy } };
  return { path, content, metadata, action };
}

function removal(path: RelativePath, { metadata }: Held): LocalEdit {
  return { path, content: { type: 'deleted' }, metadata, action: { kind: 'remove' } };
}

function problemOf(path: RelativePath, outcome: LocalEditOutcome | undefined): Problem | undefined {
  if (outcome === undefined || outcome.outcome === 'done') return undefined;
  if (outcome.outcome === 'source-gone') return { path, code: 'keeps-changing', text: CHANGED };
  return outcome.problem;
}
