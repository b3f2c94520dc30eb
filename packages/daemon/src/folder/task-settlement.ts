import type { RelativePath } from '../core/model/relative-path.js';
import type { ApplyOutcome } from '../core/ports/applier.js';
import type { HistoryItem } from '../core/ports/content-index.js';
import type { AreaPath, DiskError, DiskStep, FileStat, StepResult } from '../core/ports/folder-disk.js';
import type { ApplierDependencies } from './applier.js';
import { failedOutcome, isAbsence } from './apply-failure.js';
import type { ApplySteps, StepRole } from './apply-steps.js';
import { partialName } from './area-names.js';
import { putBack, rescueName } from './put-back.js';

/** How far a task came. */
interface Progress {
  readonly steps: ApplySteps;
  readonly tempStat: FileStat | undefined;
  readonly results: readonly StepResult[];
  /** The displaced content went to another place than its conflict copy's: that had the same content already, or another. */
  readonly copyStands?: { readonly stat: FileStat } | 'elsewhere';
}

type Applied = ApplyOutcome & { readonly outcome: 'applied' };

const LOCAL_EDIT: ApplyOutcome = { outcome: 'local-edit' };

/**
 * Turns results of steps into outcomes, and makes good where a task stopped half-way: what was taken away goes back to
 * where it was, and everything that a person put there meanwhile stays.
 */
export class TaskSettlement {
  readonly #dependencies: ApplierDependencies;
  readonly #withdrawn: string[] = [];
  readonly #history: HistoryItem[] = [];

  constructor(dependencies: ApplierDependencies) {
    this.#dependencies = dependencies;
  }

  async settle(
    steps: ApplySteps,
    tempStat: FileStat | undefined,
    results: readonly StepResult[],
  ): Promise<ApplyOutcome> {
    return this.#settle({ steps, tempStat, results });
  }

  /** Removes the intents of what was not applied. */
  finish(): void {
    if (this.#withdrawn.length === 0) return;
    this.#dependencies.log.transact((tx) => {
      for (const item of this.#history) tx.addHistory(item);
      for (const id of this.#withdrawn) tx.removeIntent(id);
    });
  }

  async #settle(progress: Progress): Promise<ApplyOutcome> {
    const at = progress.results.findIndex(({ ok }) => !ok);
    const failed = progress.results[at];
    const role = progress.steps.steps[at]?.role;
    if (failed === undefined || failed.ok || role === undefined || role === 'finish')
      return this.#applied(progress);
    if (role === 'keep-copy' && failed.error.code === 'EEXIST') return this.#keepCopyElsewhere(progress, at);
    const outcome = await this.#judge(progress, role, failed.error);
    if (outcome.outcome === 'applied') return outcome;
    if (await this.#undo(progress, role, failed.error)) this.#withdrawn.push(progress.steps.intentId);
    return outcome;
  }

  #applied({ steps, tempStat, results, copyStands }: Progress): Applied {
    const { task, intentId, slot, copy } = steps;
    const { kind } = task.action;
    const displacedStat = lastStat(
      steps,
      results,
      (role, step) => role === 'check-displaced' || step.op === 'unshare',
    );
    const copyStat =
      copyStands === undefined
        ? lastStat(steps, results, (role) => role === 'keep-copy')
        : copyStands === 'elsewhere'
          ? undefined
          : copyStands.stat;
    const isHistory =
      slot !== undefined && (copy === undefined || (copyStands !== undefined && copyStands !== 'elsewhere'));
    const outcome: Applied = { outcome: 'applied', stat: placedStat(steps, tempStat, results) };
    if (isHistory && displacedStat !== undefined) {
      this.#dependencies.onDisplaced?.({ path: task.path, area: slot, stat: displacedStat });
      Object.assign(outcome, { history: slot, historyItem: this.#historyItem(steps, slot, displacedStat) });
    }
    if (copy !== undefined && copyStat !== undefined)
      Object.assign(outcome, { copy: { entry: copy, stat: copyStat } });
    if (kind !== 'metadata' && kind !== 'adopt') Object.assign(outcome, { intentId });
    return outcome;
  }

  /** What it means that a task stopped at this step. */
  async #judge(progress: Progress, role: StepRole, error: DiskError): Promise<ApplyOutcome> {
    const { task, intentId } = progress.steps;
    const isUnexpected = error.code === 'not-as-expected' || error.code === 'not-a-file' || isAbsence(error);
    switch (role) {
      case 'grab':
        return isAbsence(error) ? { outcome: 'source-gone' } : failedOutcome(task.path, error);
      case 'check-grabbed':
        return isUnexpected ? { outcome: 'source-gone' } : failedOutcome(task.path, error);
      case 'precheck':
      case 'displace':
      case 'check-displaced':
      case 'clear':
        if (!isUnexpected) return failedOutcome(task.path, error);
        // Gone already is as good as removed.
        if (
          task.action.kind === 'remove' &&
          role !== 'check-displaced' &&
          (await this.#isAbsent(task.path))
        ) {
          return { outcome: 'applied', stat: undefined, intentId };
        }
        return LOCAL_EDIT;
      case 'place':
        if (error.code === 'EEXIST') return this.#judgeNewborn(progress);
        if (task.action.kind === 'metadata' && isUnexpected) return LOCAL_EDIT;
        return failedOutcome(task.path, error);
      default:
        return failedOutcome(task.path, error);
    }
  }

  /** Something was born at the path. A directory where one was to be made is what was wanted. */
  async #judgeNewborn(progress: Progress): Promise<ApplyOutcome> {
    const { task } = progress.steps;
    if (task.action.kind !== 'directory') return LOCAL_EDIT;
    const [stat] = await this.#dependencies.disk.stat([task.path]);
    if (stat?.ok !== true || stat.value?.type !== 'directory') return LOCAL_EDIT;
    return this.#applied({
      ...progress,
      results: [...progress.results.slice(0, -1), { ok: true, stat: stat.value }],
    });
  }

  /** Puts back what was taken. False when something had to stay in the area, and its intent with it. */
  async #undo(progress: Progress, role: StepRole, error: DiskError): Promise<boolean> {
    const { steps, results } = progress;
    const { task, temp, slot, copy } = steps;
    const { disk } = this.#dependencies;
    let isUndone = true;
    const displacedStat = lastStat(steps, results, (done) => done === 'check-displaced');
    if (slot !== undefined && passed(steps, results, 'displace')) {
      if (role === 'place' && error.code === 'EEXIST' && displacedStat !== undefined) {
        // A person wrote anew where the old version had stood: that is history now, as it would be without us.
        if (copy === undefined) this.#history.push(this.#historyItem(steps, slot, displacedStat));
      } else {
        if (copy !== undefined && passed(steps, results, 'keep-copy') && progress.copyStands === undefined) {
          await disk.run([[{ op: 'rename', from: { entry: copy.path }, to: { area: slot } }]]);
        }
        isUndone = typeof (await putBack(this.#dependencies, slot, task.path)) === 'string';
      }
    }
    if (passed(steps, results, 'clear')) await disk.run([[{ op: 'mkdir', path: task.path }]]);
    if (temp === undefined) return isUndone;
    if (task.action.kind !== 'move') await this.#dropTemp(steps, temp);
    else if (passed(steps, results, 'grab')) {
      const place = await putBack(this.#dependencies, temp, task.action.from);
      isUndone = isUndone && typeof place === 'string';
    }
    return isUndone;
  }

  /** A fetched content goes back to where the fetch finds it; others are cheap to make again. */
  async #dropTemp({ task }: ApplySteps, temp: AreaPath): Promise<void> {
    const { action, entry } = task;
    const content = entry.version.content;
    const steps: DiskStep[] = [];
    if (action.kind === 'file' && action.from.kind === 'partial' && content.type === 'file') {
      steps.push({ op: 'rename', from: { area: temp }, to: { area: partialName(content.hash) } });
    }
    const [results] = steps.length === 0 ? [] : await this.#dependencies.disk.run([steps]);
    if (results?.[0]?.ok !== true) await this.#dependencies.disk.run([[{ op: 'unlink-area', area: temp }]]);
  }

  /**
   * The conflict copy's path is taken. By the same content: nothing is missing. By another one: the displaced content
   * gets a name of its own, and the next scan finds it.
   */
  async #keepCopyElsewhere(progress: Progress, at: number): Promise<ApplyOutcome> {
    const { steps, results } = progress;
    const { slot, copy } = steps;
    const { disk } = this.#dependencies;
    if (slot === undefined || copy === undefined) return this.#applied(progress);
    const standing = await this.#equalCopy(copy.path, copy.version.content);
    let copyStands: Progress['copyStands'];
    if (standing !== undefined) copyStands = { stat: standing };
    else {
      const kept = await putBack(this.#dependencies, slot, rescueName(this.#dependencies, copy.path));
      if (typeof kept !== 'string') return failedOutcome(steps.task.path, kept);
      copyStands = 'elsewhere';
    }
    const [rest] = await disk.run([steps.steps.slice(at + 1).map(({ step }) => step)]);
    return this.#settle({
      ...progress,
      copyStands,
      results: [...results.slice(0, at), { ok: true }, ...(rest ?? [])],
    });
  }

  async #equalCopy(
    path: RelativePath,
    content: ApplySteps['task']['entry']['version']['content'],
  ): Promise<FileStat | undefined> {
    const [stat] = await this.#dependencies.disk.stat([path]);
    if (content.type !== 'file' || stat?.ok !== true || stat.value?.type !== 'file') return undefined;
    const [results] = await this.#dependencies.disk.run([
      [{ op: 'expect', at: { entry: path }, stat: stat.value, hash: content.hash }],
    ]);
    return results?.[0]?.ok === true ? stat.value : undefined;
  }

  async #isAbsent(path: RelativePath): Promise<boolean> {
    const [stat] = await this.#dependencies.disk.stat([path]);
    return stat !== undefined && (stat.ok ? stat.value === undefined : isAbsence(stat.error));
  }

  #historyItem({ task }: ApplySteps, area: AreaPath, stat: FileStat): HistoryItem {
    return {
      path: task.path,
      area,
      displacedAtMs: this.#dependencies.clock.nowMs(),
      sizeBytes: stat.sizeBytes,
      hash: task.verifyHash,
      reason: task.action.kind === 'remove' ? 'deleted' : 'replaced',
      author: task.entry.version.author,
    };
  }
}

function lastStat(
  { steps }: ApplySteps,
  results: readonly StepResult[],
  isWanted: (role: StepRole, step: DiskStep) => boolean,
): FileStat | undefined {
  for (let i = results.length - 1; i >= 0; i--) {
    const result = results[i];
    const step = steps[i];
    if (result?.ok === true && step !== undefined && isWanted(step.role, step.step)) return result.stat;
  }
  return undefined;
}

function passed({ steps }: ApplySteps, results: readonly StepResult[], role: StepRole): boolean {
  return results.some(({ ok }, i) => ok && steps[i]?.role === role);
}

function placedStat(
  steps: ApplySteps,
  tempStat: FileStat | undefined,
  results: readonly StepResult[],
): FileStat | undefined {
  if (steps.task.action.kind === 'adopt') return lastStat(steps, results, (role) => role === 'precheck');
  const placed = lastStat(steps, results, (role) => role === 'place');
  const last = lastStat(steps, results, (role, { op }) => role === 'place' || op === 'set-metadata');
  // Edited between the two calls: a time that nothing has makes the next scan see a change on top of what was placed.
  const isEdited =
    tempStat !== undefined &&
    placed !== undefined &&
    (placed.mtimeNs !== tempStat.mtimeNs || placed.sizeBytes !== tempStat.sizeBytes);
  return last !== undefined && isEdited ? { ...last, mtimeNs: 0n } : last;
}
