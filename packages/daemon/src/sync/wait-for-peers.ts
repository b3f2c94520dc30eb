import type { DeviceKey } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Clock } from '../core/ports/clock.js';
import type { FolderReceipts } from './folder-receipts.js';
import type { FolderRunner } from './folder-runner.js';

export interface WaitTarget {
  readonly label: string;
  readonly runner: WaitedFolder;
  /** Nothing is waited for where there are none. */
  readonly devices: readonly { readonly device: DeviceKey; readonly name: string }[];
  /** Why this device will never hold what is written here, when that is known. */
  readonly refusal: (device: DeviceKey) => string | undefined;
}

/** A folder as far as it is waited for. */
export type WaitedFolder = Pick<FolderRunner, 'rescan' | 'activity' | 'problems' | 'sequence'> & {
  readonly receipts: Pick<FolderReceipts, 'durableSequenceOf' | 'unplaceableAt' | 'onProgress'>;
  readonly index: Pick<FolderRunner['index'], 'get'>;
};

export interface WaitProgress {
  readonly needFiles: number;
  readonly waitingFor: readonly string[];
}

export class WaitError extends Error {
  override readonly name = 'WaitError';
  constructor(
    readonly code: 'timeout' | 'cannot-come-true',
    message: string,
  ) {
    super(message);
  }
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WaitProgress) => void;
}

interface Goal {
  readonly target: WaitTarget;
  readonly sequence: number;
}

const PROGRESS_MS = 500;

/**
 * Resolves when every target's devices durably hold everything that was written here before the call. The folders are
 * looked at first, so that nothing written is missed. Throws {@link WaitError}.
 */
export async function waitForPeers(
  targets: readonly WaitTarget[],
  clock: Clock,
  options: WaitOptions,
): Promise<void> {
  const ended = new AbortController();
  const cancelDeadline = clock.after(options.timeoutMs, () => ended.abort('timeout'));
  const onAbort = () => ended.abort('cancelled');
  options.signal.addEventListener('abort', onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  let goals: readonly Goal[] | undefined;
  try {
    const looked = Promise.all(
      targets
        .filter(({ devices }) => devices.length > 0)
        .map(async (target) => ({ target, sequence: await lookFirst(target, ended.signal) })),
    );
    goals = await Promise.race([looked, rejectWhen(ended.signal)]);
    const reached = goals;
    await new Promise<void>((resolve, reject) =>
      follow(reached, clock, { ...options, ended: ended.signal, resolve, reject }),
    );
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    throw new WaitError(
      'timeout',
      goals === undefined ? 'The folder was still being looked at.' : timeoutText(goals),
    );
  } finally {
    cancelDeadline();
    options.signal.removeEventListener('abort', onAbort);
    ended.abort('over');
  }
}

async function lookFirst({ runner, label }: WaitTarget, signal: AbortSignal): Promise<number> {
  if (runner.activity() === 'paused') {
    throw new WaitError('cannot-come-true', `Folder ${label} is paused. See: landropic folder resume`);
  }
  await runner.rescan(signal);
  if (runner.activity() === 'error') {
    throw new WaitError(
      'cannot-come-true',
      `Folder ${label}: ${runner.problems(1)[0]?.text ?? 'it cannot be looked at'}`,
    );
  }
  if (runner.activity() === 'held') {
    throw new WaitError(
      'cannot-come-true',
      `Folder ${label} holds deletions until somebody decides: 'landropic folder approve ${label}' or 'landropic folder refuse ${label}'.`,
    );
  }
  return runner.sequence();
}

function follow(
  goals: readonly Goal[],
  clock: Clock,
  run: WaitOptions & {
    readonly ended: AbortSignal;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  },
): void {
  const stops: (() => void)[] = [];
  let isOver = false;
  const finish = (settle: () => void) => {
    isOver = true;
    for (const stop of stops.splice(0)) stop();
    settle();
  };
  const check = () => {
    const refusal = findRefusal(goals);
    if (refusal !== undefined) finish(() => run.reject(new WaitError('cannot-come-true', refusal)));
    else if (missing(goals).length === 0) finish(run.resolve);
  };
  const tell = () => {
    const lacking = missing(goals);
    run.onProgress({
      needFiles: Math.max(0, ...lacking.map(({ behind }) => behind)),
      waitingFor: [...new Set(lacking.map(({ name }) => name))],
    });
    cancelTell = clock.after(PROGRESS_MS, tick);
  };
  /** A device may have withdrawn meanwhile, of which no receipt tells. */
  const tick = () => {
    check();
    if (!isOver) tell();
  };
  let cancelTell = clock.after(PROGRESS_MS, tick);
  stops.push(() => cancelTell());
  const onEnded = () => finish(() => run.reject(run.ended.reason));
  run.ended.addEventListener('abort', onEnded, { once: true });
  stops.push(() => run.ended.removeEventListener('abort', onEnded));
  for (const { target } of goals) stops.push(target.runner.receipts.onProgress(check));
  if (run.ended.aborted) onEnded();
  else check();
}

function missing(goals: readonly Goal[]): { readonly name: string; readonly behind: number }[] {
  return goals.flatMap(({ target, sequence }) =>
    target.devices
      .map(({ device, name }) => ({
        name,
        behind: sequence - target.runner.receipts.durableSequenceOf(device),
      }))
      .filter(({ behind }) => behind > 0),
  );
}

/** Why one of the goals cannot come true, as far as is known now. */
function findRefusal(goals: readonly Goal[]): string | undefined {
  for (const { target } of goals) {
    for (const { device, name } of target.devices) {
      const refusal = target.refusal(device) ?? unplaceableAt(target, device, name);
      if (refusal !== undefined) return refusal;
    }
  }
  return undefined;
}

/** Something that the device has said it cannot hold, and that has not changed here since it said so. */
function unplaceableAt({ runner }: WaitTarget, device: DeviceKey, name: string): string | undefined {
  const durable = runner.receipts.durableSequenceOf(device);
  for (const { path, reason } of runner.receipts.unplaceableAt(device)) {
    const row = runner.index.get(path as RelativePath);
    if (row !== undefined && row.sequence <= durable) return `${name} cannot hold ${path}: ${reason}`;
  }
  return undefined;
}

function timeoutText(goals: readonly Goal[]): string {
  const names = [...new Set(missing(goals).map(({ name }) => name))];
  return `Still waiting for ${names.join(', ')}.`;
}

function rejectWhen(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
