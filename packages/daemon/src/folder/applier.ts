import type { Applier, ApplyOutcome, ApplyTask, Recovered } from '../core/ports/applier.js';
import type { Intent } from '../core/ports/content-index.js';
import type { DiskStep, FileStat, FolderDisk, StepResult } from '../core/ports/folder-disk.js';
import { failedOutcome, isAbsence } from './apply-failure.js';
import { type ApplySteps, directoriesTouched, fileMode, planSteps } from './apply-steps.js';
import { newHistoryBatch, newIntentId, newTemp } from './area-names.js';
import type { DisplacedFile } from './history-watch.js';
import type { IntentLog } from './intent-log.js';
import { recoverIntents } from './intent-recovery.js';
import type { PutBackDependencies } from './put-back.js';
import { TaskSettlement } from './task-settlement.js';

export interface ApplierDependencies extends PutBackDependencies {
  readonly log: IntentLog;
  /** Told of every file that went to history: an open editor may still write into it. */
  readonly onDisplaced?: (file: DisplacedFile) => void;
}

/** A task whose new content lies ready under a temp name, or that needs none. */
interface Ready {
  readonly index: number;
  readonly steps: ApplySteps;
  readonly tempStat: FileStat | undefined;
}

/**
 * See {@link Applier}. Rejects only when the disk as a whole failed: then nothing is known about what was done, and the
 * caller has {@link recover} find out before it applies anything else.
 */
export class FolderApplier implements Applier {
  readonly #dependencies: ApplierDependencies;

  constructor(dependencies: ApplierDependencies) {
    this.#dependencies = dependencies;
  }

  async apply(tasks: readonly ApplyTask[]): Promise<readonly ApplyOutcome[]> {
    if (tasks.length === 0) return [];
    const { disk, clock, randomBytes, log } = this.#dependencies;
    const batch = newHistoryBatch(clock, randomBytes);
    const batchMs = clock.nowMs();
    const planned = tasks.map((task, i) =>
      planSteps(task, newIntentId(batchMs, i, task.verifyHash !== undefined, randomBytes), batch),
    );
    const outcomes: ApplyOutcome[] = [];
    const ready = await this.#writeTemps(planned, outcomes);
    log.transact((tx) => {
      for (const { steps, tempStat } of ready) {
        const intent = intentOf(steps, tempStat);
        if (intent !== undefined) tx.addIntent(intent);
      }
    });
    const results = await disk.run(ready.map(({ steps }) => steps.steps.map(({ step }) => step)));
    const flushed = await this.#flush(ready.map(({ steps }) => steps));
    const settlement = new TaskSettlement(this.#dependencies);
    for (const [i, { index, steps, tempStat }] of ready.entries()) {
      const outcome = await settlement.settle(steps, tempStat, results[i] ?? []);
      outcomes[index] = outcome.outcome === 'applied' && flushed !== undefined ? flushed : outcome;
    }
    settlement.finish();
    return outcomes;
  }

  recover(): Promise<readonly Recovered[]> {
    return recoverIntents(this.#dependencies);
  }

  /** Lays the new contents ready; what cannot be has its outcome. */
  async #writeTemps(planned: readonly ApplySteps[], outcomes: ApplyOutcome[]): Promise<Ready[]> {
    const temps = planned.map((steps) => tempStep(steps));
    const writes = temps.flatMap((step) => (step === undefined ? [] : [[step]]));
    const results = writes.length === 0 ? [] : await this.#dependencies.disk.run(writes);
    const ready: Ready[] = [];
    let next = 0;
    for (const [index, steps] of planned.entries()) {
      const step = temps[index];
      const result = step === undefined ? undefined : results[next++]?.[0];
      if (step === undefined) {
        const { action } = steps.task;
        ready.push({ index, steps, tempStat: action.kind === 'move' ? action.fromStat : undefined });
      } else if (result?.ok === true && result.stat !== undefined) {
        ready.push({ index, steps, tempStat: result.stat });
      } else {
        outcomes[index] = failedTemp(steps.task, result);
      }
    }
    return ready;
  }

  async #flush(done: readonly ApplySteps[]): Promise<ApplyOutcome | undefined> {
    const touched = new Map<string, Parameters<FolderDisk['flushDirectories']>[0][number]>();
    for (const steps of done) {
      for (const directory of directoriesTouched(steps)) {
        touched.set(typeof directory === 'string' ? `/${directory}` : directory.area, directory);
      }
    }
    const flushed = await this.#dependencies.disk.flushDirectories([...touched.values()]);
    if (flushed.ok || flushed.error.code === 'EACCES') return undefined;
    // Done, but perhaps not durable: the intents stay, and a restart finds out.
    return failedOutcome('', flushed.error);
  }
}

function tempStep({ task, intentId }: ApplySteps): DiskStep | undefined {
  const { action, entry, assumed } = task;
  if (action.kind !== 'file') return undefined;
  const temp = newTemp(intentId);
  const mtimeNs = entry.metadata.mtimeNs;
  const mode = fileMode(entry, assumed);
  const content = entry.version.content;
  if (action.from.kind === 'bytes')
    return { op: 'write-temp', temp, bytes: action.from.bytes, mtimeNs, mode };
  if (content.type !== 'file') return undefined;
  return action.from.kind === 'partial'
    ? { op: 'partial-to-temp', hash: content.hash, temp, mtimeNs, mode }
    : {
        op: 'copy-to-temp',
        from: action.from.path,
        sizeBytes: content.sizeBytes,
        hash: content.hash,
        temp,
        mtimeNs,
        mode,
      };
}

function failedTemp({ path, action }: ApplyTask, result: StepResult | undefined): ApplyOutcome {
  const error = result?.ok === false ? result.error : { code: 'EINVAL', message: 'not a file to be written' };
  const comesFromDisk = action.kind === 'file' && action.from.kind !== 'bytes';
  const isGone = isAbsence(error) || error.code === 'wrong-hash' || error.code === 'not-a-file';
  return comesFromDisk && isGone ? { outcome: 'source-gone' } : failedOutcome(path, error);
}

/** Undefined where nothing that a crash could leave half done is changed. */
function intentOf(
  { task, intentId, temp, slot, copy }: ApplySteps,
  tempStat: FileStat | undefined,
): Intent | undefined {
  const { action, path, entry, assumed } = task;
  if (action.kind === 'metadata' || action.kind === 'adopt') return undefined;
  return {
    id: intentId,
    path,
    entry,
    assumed,
    temp,
    tempInode: tempStat?.inode,
    displacedTo: slot,
    copy,
    movedFrom: action.kind === 'move' ? action.from : undefined,
  };
}
