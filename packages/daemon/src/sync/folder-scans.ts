import type { Problem } from '../core/model/problem.js';
import { type DirectoryPath, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { Clock } from '../core/ports/clock.js';
import type { Watcher } from '../core/ports/scanner.js';
import { ChangeHints, type Hinted } from './change-hints.js';
import type { LocalChanges } from './local-changes.js';
import { NamedTimers } from './named-timers.js';

export interface FolderScansDependencies {
  readonly watcher: Watcher;
  readonly clock: Clock;
  readonly local: Pick<LocalChanges, 'scan' | 'recheckRacy'>;
  /** Paths are being changed by the applier, or are about to be. */
  readonly isApplying: () => boolean;
  /** Something more urgent than hashing files again is going on. */
  readonly isBusy: () => boolean;
  /** All of the folder was looked at, after a time in which it could not be. */
  readonly onFoundAgain: () => void;
  readonly onFailed: (what: string, error: unknown) => void;
}

export interface FolderScansOptions {
  /** How often all of the folder is looked at while the watcher works. */
  readonly rescanIntervalMs: number;
  /** How often while it does not. */
  readonly unwatchedIntervalMs: number;
}

/** What was hashed too soon is hashed again after this much quiet. */
const RACY_RECHECK_MS = 2_500;
const RACY_BATCH = 500;
const RACY_PATIENCE_MS = 60_000;
/** How long a directory that the applier changes too may wait to be looked at, while the applier is at work. */
const DEFER_MS = 1_500;
/** Between two batches of many files the applier rests for less than this. */
const IDLE_MS = 20;
const MAX_DEFERRED_HINTS = 20_000;

/** When one folder is looked at, and where: on hints, every so often, and on demand; one scan at a time. */
export class FolderScans {
  private readonly hints: ChangeHints;
  private readonly timers: NamedTimers;
  private readonly stopping = new AbortController();
  private readonly deferredHints = new Set<DirectoryPath>();
  private queue: Promise<unknown> = Promise.resolve();
  private scanning = 0;
  private rootProblem: Problem | undefined;
  private watchProblem: Problem | undefined;

  constructor(
    private readonly deps: FolderScansDependencies,
    private readonly options: FolderScansOptions,
  ) {
    this.hints = new ChangeHints(deps.clock);
    this.timers = new NamedTimers(deps.clock);
  }

  get isScanning(): boolean {
    return this.scanning > 0;
  }

  /** The folder is not there, or cannot be looked at. */
  get isRootLost(): boolean {
    return this.rootProblem !== undefined;
  }

  problems(): readonly Problem[] {
    return [this.rootProblem, this.watchProblem].filter((problem) => problem !== undefined);
  }

  async startWatching(): Promise<void> {
    const onFailure = (problem: Problem) => {
      this.watchProblem = problem;
      this.hints.hintEverything();
    };
    try {
      await this.deps.watcher.start((directory) => this.watched(directory), onFailure);
    } catch (error) {
      onFailure({
        path: '',
        code: 'watch-failed',
        text: `Changes are found by looking, every so often, not at once (${String(error)}).`,
      });
    }
  }

  /** Looks where hints say from now on, and at everything every so often. */
  follow(): void {
    void this.followHints();
    this.timers.repeat(
      'rescan',
      () => this.rescanIntervalMs(),
      () => this.hints.hintEverything(),
    );
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.timers.stop();
    await this.deps.watcher.stop();
    await this.queue.catch(() => {});
  }

  /** Looks at everything now. Resolves when all that was written before the call is in the index; with how much that was. */
  async rescan(signal: AbortSignal): Promise<number> {
    let changed = await this.scan({ kind: 'everything' });
    // Files that were still being written were put off: they are looked at until they keep still.
    while (!this.hints.isEmpty() && !signal.aborted && !this.stopping.signal.aborted) {
      await new Promise<void>((resolve) => this.deps.clock.after(10, resolve));
      changed += await this.queue.then(() => 0);
    }
    return changed;
  }

  hint(directory: DirectoryPath, delayMs?: number): void {
    this.hints.hint(directory, delayMs);
  }

  hintParents(paths: readonly RelativePath[]): void {
    for (const directory of new Set<DirectoryPath>(paths.map(parentOf))) this.hints.hint(directory);
  }

  /** What a person changed while the applier was at work need not wait any longer. */
  applierRests(): void {
    if (this.deferredHints.size === 0) return;
    this.timers.once('idle', IDLE_MS, () => {
      if (!this.deps.isApplying()) this.hintDeferred();
    });
  }

  scheduleRacyRecheck(waitedMs = 0): void {
    this.timers.once('racy', RACY_RECHECK_MS, () => {
      // It costs reading whole files: not while peers are still taking them, unless that goes on for long.
      const busy = this.scanning > 0 || this.deps.isBusy();
      if (busy && waitedMs < RACY_PATIENCE_MS) {
        this.scheduleRacyRecheck(waitedMs + RACY_RECHECK_MS);
        return;
      }
      this.queue = this.queue
        .then(() => this.deps.local.recheckRacy(RACY_BATCH, this.stopping.signal))
        .then(
          (looked) => looked > 0 && this.scheduleRacyRecheck(),
          (error: unknown) => !this.stopping.signal.aborted && this.deps.onFailed('hashing again', error),
        );
    });
  }

  /** Does this between two scans. */
  between(work: () => void): Promise<void> {
    const result = this.queue.then(work, work);
    this.queue = result;
    return result;
  }

  /** One scan at a time. */
  scan(scope: Hinted): Promise<number> {
    const { signal } = this.stopping;
    const run = async () => {
      if (signal.aborted) return 0;
      this.scanning++;
      try {
        const changed = await this.deps.local.scan(scope, signal);
        if (this.rootProblem !== undefined) this.rootFound(scope);
        return changed;
      } catch (error) {
        if (!signal.aborted) this.scanFailed(error);
        return 0;
      } finally {
        this.scanning--;
      }
    };
    const result = this.queue.then(run, run);
    this.queue = result;
    return result;
  }

  /** It counts as found once all of it was looked at: much may have changed while it was not there. */
  private rootFound(scope: Hinted): void {
    if (scope.kind !== 'everything') {
      this.hints.hintEverything();
      return;
    }
    this.rootProblem = undefined;
    this.deps.onFoundAgain();
  }

  private scanFailed(error: unknown): void {
    if ((error as { code?: unknown }).code === 'root-missing') {
      const text = error instanceof Error ? error.message : String(error);
      this.rootProblem = { path: '', code: 'root-missing', text };
    } else this.deps.onFailed('looking for changes', error);
  }

  /** While the applier is at work, most hints are about its own doing: their directories are looked at after it. */
  private watched(directory: DirectoryPath): void {
    if (!this.deps.isApplying()) {
      this.hints.hint(directory);
      return;
    }
    if (this.deferredHints.size < MAX_DEFERRED_HINTS) this.deferredHints.add(directory);
    else this.hints.hintEverything();
    this.timers.once('deferred', DEFER_MS, () => this.hintDeferred());
  }

  private hintDeferred(): void {
    const directories = [...this.deferredHints];
    this.deferredHints.clear();
    for (const directory of directories) this.hints.hint(directory);
  }

  private async followHints(): Promise<void> {
    const { signal } = this.stopping;
    for (;;) {
      const hinted = await this.hints.next(signal);
      if (hinted === undefined) return;
      await this.scan(hinted).catch(() => 0);
    }
  }

  private rescanIntervalMs(): number {
    return this.watchProblem === undefined ? this.options.rescanIntervalMs : this.options.unwatchedIntervalMs;
  }
}
