import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import type { Problem } from '../core/model/problem.js';
import type { DirectoryPath, RelativePath } from '../core/model/relative-path.js';
import { parentOf } from '../core/model/relative-path.js';
import type { Applier } from '../core/ports/applier.js';
import type { Blake3, Clock } from '../core/ports/clock.js';
import type { ContentIndex, IndexCounts } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import type { Scanner, Watcher } from '../core/ports/scanner.js';
import type { FolderState, SequencedEntry } from '../core/wire/frames.js';
import { commitRecovered } from './apply-commit.js';
import { ApplyLoop } from './apply-loop.js';
import { ChangeHints, type Hinted } from './change-hints.js';
import { ContentFetch, type Progress } from './content-fetch.js';
import type { FolderLink, LinkedFolder, OutgoingEntry } from './folder-link.js';
import { type DurableReceipt, FolderReceipts } from './folder-receipts.js';
import { LocalChanges } from './local-changes.js';
import { awaitedCopyPath } from './lost-version.js';
import { NamedTimers } from './named-timers.js';
import { PathLocks } from './path-locks.js';
import { RemoteChanges } from './remote-changes.js';

export interface FolderRunnerDependencies {
  readonly folder: FolderId;
  readonly device: DeviceKey;
  readonly index: ContentIndex;
  readonly disk: FolderDisk;
  readonly scanner: Scanner;
  readonly watcher: Watcher;
  readonly applier: Applier;
  readonly clock: Clock;
  readonly blake3: Blake3;
  readonly events: FolderEvents;
}

export interface FolderEvents {
  /** The first scan is done: the folder can be exchanged. */
  ready(): void;
  /** A peer sent bytes that are not what their hash says. */
  wrongBytes(device: DeviceKey): void;
  /** Something failed that is not one path's own fault; the folder goes on. */
  failed(what: string, error: unknown): void;
}

export interface FolderRunnerOptions {
  readonly label: string;
  /** How often all of the folder is looked at while the watcher works. */
  readonly rescanIntervalMs: number;
  /** How often while it does not. */
  readonly unwatchedIntervalMs: number;
}

export type FolderActivity = 'scanning' | 'syncing' | 'idle' | 'error';

/** What was hashed too soon is hashed again after this much quiet. */
const RACY_RECHECK_MS = 2_500;
const RACY_BATCH = 500;
const RACY_PATIENCE_MS = 60_000;
/** How long a directory that the applier changes too may wait to be looked at, while the applier is at work. */
const DEFER_MS = 1_500;
/** Between two batches of many files the applier rests for less than this. */
const IDLE_MS = 20;
const MAX_DEFERRED_HINTS = 20_000;
const PERSIST_MS = 1_000;
/** What could not be placed or got is tried again this often, besides whenever something changes. */
const RECONSIDER_MS = 30_000;

/** One shared folder at work: what changes here becomes versions, what changes elsewhere is brought here. */
export class FolderRunner implements LinkedFolder {
  readonly receipts: FolderReceipts;
  private readonly hints: ChangeHints;
  private readonly local: LocalChanges;
  private readonly remote: RemoteChanges;
  private readonly fetch: ContentFetch;
  private readonly applying: ApplyLoop;
  private readonly links = new Map<DeviceKey, FolderLink>();
  private readonly stopping = new AbortController();
  private readonly deferredHints = new Set<DirectoryPath>();
  private scanQueue: Promise<unknown> = Promise.resolve();
  private scanning = 0;
  /** All of the folder was looked at since the start: what changed meanwhile is known before anything is exchanged. */
  private looked = false;
  private rootProblem: Problem | undefined;
  private watchProblem: Problem | undefined;
  private readonly timers: NamedTimers;

  constructor(
    private readonly deps: FolderRunnerDependencies,
    private readonly options: FolderRunnerOptions,
  ) {
    const { index, disk, clock, device, blake3 } = deps;
    this.hints = new ChangeHints(clock);
    this.timers = new NamedTimers(clock);
    const locks = new PathLocks((paths) => this.hintParents(paths));
    this.receipts = new FolderReceipts(index);
    this.local = new LocalChanges({
      index,
      disk,
      scanner: deps.scanner,
      locks,
      clock,
      device,
      onAuthored: () => this.authored(),
      onSuperseded: (lost, winner, tx) => {
        const copyPath = awaitedCopyPath(lost, winner, tx.get, blake3);
        if (copyPath !== undefined) this.receipts.awaitCopyOf(lost.path, copyPath);
        this.receipts.settled(lost.path);
        this.wakeReceipts();
      },
      lookAgain: (directory, afterMs) => this.hints.hint(directory, afterMs),
    });
    this.remote = new RemoteChanges({ index, clock, blake3, device, receipts: this.receipts });
    this.fetch = new ContentFetch({
      folder: deps.folder,
      index,
      disk,
      blake3,
      onDone: (content, result) => this.applying.fetchEnded(content, result),
      isBehind: () => this.applying.isBehind,
      onWrongBytes: (from) => deps.events.wrongBytes(from),
    });
    this.applying = new ApplyLoop({
      index,
      applier: deps.applier,
      disk,
      fetch: this.fetch,
      locks,
      clock,
      blake3,
      onHeld: (paths) => this.nowHeld(paths),
      onLocalEdit: (paths) => this.hintParents(paths),
      onUnplaceable: (path, reason) => {
        this.receipts.unplaceable(path, reason);
        this.wakeReceipts();
      },
      recover: () => this.recover(),
      onFailed: (error) => deps.events.failed('applying changes', error),
      onIdle: () => this.applierRests(),
      relays: () => this.links.size > 1,
    });
  }

  get index(): ContentIndex {
    return this.deps.index;
  }

  /** Recovers what a crash left, watches, looks at everything once, and is then ready to be exchanged. */
  async start(): Promise<void> {
    const { signal } = this.stopping;
    await this.recover();
    await this.startWatching();
    await this.scan({ kind: 'everything' });
    if (signal.aborted) return;
    if (this.rootProblem === undefined) this.becomeReady();
    void this.followHints();
    this.timers.repeat(
      'rescan',
      () => this.rescanIntervalMs(),
      () => this.hints.hintEverything(),
    );
    this.timers.repeat(
      'reconsider',
      () => RECONSIDER_MS,
      () => this.applying.reconsider(),
    );
    this.timers.repeat(
      'persist',
      () => PERSIST_MS,
      () => this.receipts.persist(),
    );
    this.applying.considerAll();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.timers.stop();
    for (const link of [...this.links.values()]) this.disconnect(link);
    await this.deps.watcher.stop();
    await this.scanQueue.catch(() => {});
    await this.applying.stop();
    this.receipts.persist();
  }

  /** Looks at everything now. Resolves when all that was written before the call is in the index; with how much that was. */
  async rescan(signal: AbortSignal): Promise<number> {
    let changed = await this.scan({ kind: 'everything' });
    // Files that were still being written were put off: they are looked at until they keep still.
    while (!this.hints.isEmpty() && !signal.aborted && !this.stopping.signal.aborted) {
      await new Promise<void>((resolve) => this.deps.clock.after(10, resolve));
      changed += await this.scanQueue.then(() => 0);
    }
    return changed;
  }

  /** Something changed in this directory that no watcher may have seen. */
  lookAt(directory: DirectoryPath): void {
    this.hints.hint(directory);
  }

  counts(): IndexCounts {
    return this.deps.index.counts();
  }

  activity(): FolderActivity {
    if (this.rootProblem !== undefined) return 'error';
    if (this.applying.isBusy) return 'syncing';
    return this.scanning > 0 ? 'scanning' : 'idle';
  }

  problems(limit: number): readonly Problem[] {
    const own = [this.rootProblem, this.watchProblem].filter((problem) => problem !== undefined);
    return [...own, ...this.deps.index.problems(limit)];
  }

  progress(): readonly Progress[] {
    return this.fetch.progress();
  }

  // ---- what sessions ask and tell (LinkedFolder)

  state(device: DeviceKey): FolderState | undefined {
    const { indexId, sequence, commitTag, firstScanDone } = this.deps.index.identity();
    if (!this.looked || !firstScanDone || this.stopping.signal.aborted) return undefined;
    return {
      folder: this.deps.folder,
      label: this.options.label,
      indexId,
      sequence,
      commitTag,
      holding: this.receipts.holding(device),
    };
  }

  connect(link: FolderLink, theirs: { readonly indexId: IndexId; readonly afterSequence: number }): void {
    this.links.set(link.device, link);
    this.receipts.follow(link.device, theirs.indexId, theirs.afterSequence);
    this.fetch.supplierUp(link.device, link);
    this.applying.considerAll();
  }

  disconnect(link: FolderLink): void {
    if (this.links.get(link.device) !== link) return;
    this.links.delete(link.device);
    this.fetch.supplierDown(link.device);
    this.receipts.persist();
    this.receipts.unfollow(link.device);
  }

  receive(device: DeviceKey, indexId: IndexId, entries: readonly SequencedEntry[]): void {
    const { toPlace, changed } = this.remote.receive({ device, indexId, entries });
    this.applying.consider(toPlace);
    // Also to the device itself: what its entry was joined with is news to it.
    if (changed > 0) this.wakePushes();
    this.links.get(device)?.wakeReceipts();
  }

  ended(device: DeviceKey, upToSequence: number): void {
    this.receipts.ended(device, upToSequence);
    this.links.get(device)?.wakeReceipts();
  }

  pending(device: DeviceKey): number {
    return this.receipts.pendingOf(device);
  }

  durableThere(device: DeviceKey, receipt: DurableReceipt): void {
    this.receipts.durableThere(device, receipt);
  }

  takeDueReceipt(device: DeviceKey): DurableReceipt | undefined {
    return this.receipts.takeDue(device);
  }

  entriesToSend(afterSequence: number, limit: number): readonly OutgoingEntry[] {
    return this.deps.index.encodedEntriesAfter(afterSequence, limit);
  }

  sequence(): number {
    return this.deps.index.identity().sequence;
  }

  // ---- at work

  /** Finds out what became of the intents that a crash or a failing disk left, and stores it. */
  private async recover(): Promise<void> {
    const recovered = await this.deps.applier.recover();
    commitRecovered(recovered, { index: this.deps.index, nowMs: this.deps.clock.nowMs() });
  }

  private becomeReady(): void {
    this.looked = true;
    if (!this.deps.index.identity().firstScanDone) this.deps.index.transact((tx) => tx.finishFirstScan());
    this.deps.events.ready();
  }

  private async startWatching(): Promise<void> {
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

  /** While the applier is at work, most hints are about its own doing: their directories are looked at after it. */
  private watched(directory: DirectoryPath): void {
    if (!this.applying.isApplying) {
      this.hints.hint(directory);
      return;
    }
    if (this.deferredHints.size < MAX_DEFERRED_HINTS) this.deferredHints.add(directory);
    else this.hints.hintEverything();
    this.timers.once('deferred', DEFER_MS, () => this.hintDeferred());
  }

  /** What a person changed while the applier was at work need not wait any longer. */
  private applierRests(): void {
    if (this.deferredHints.size === 0) return;
    this.timers.once('idle', IDLE_MS, () => {
      if (!this.applying.isApplying) this.hintDeferred();
    });
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

  /** One scan at a time. */
  private scan(scope: Hinted): Promise<number> {
    const { signal } = this.stopping;
    const run = async () => {
      if (signal.aborted) return 0;
      this.scanning++;
      try {
        const changed = await this.local.scan(scope, signal);
        const wasLost = this.rootProblem !== undefined;
        this.rootProblem = undefined;
        if (wasLost && scope.kind === 'everything') this.becomeReady();
        return changed;
      } catch (error) {
        if (!signal.aborted) this.scanFailed(error);
        return 0;
      } finally {
        this.scanning--;
      }
    };
    const result = this.scanQueue.then(run, run);
    this.scanQueue = result;
    return result;
  }

  private scanFailed(error: unknown): void {
    if ((error as { code?: unknown }).code === 'root-missing') {
      const text = error instanceof Error ? error.message : String(error);
      this.rootProblem = { path: '', code: 'root-missing', text };
    } else this.deps.events.failed('looking for changes', error);
  }

  private authored(): void {
    this.wakePushes();
    this.scheduleRacyRecheck();
  }

  private wakePushes(): void {
    for (const link of this.links.values()) link.wakePush();
  }

  private wakeReceipts(): void {
    for (const link of this.links.values()) link.wakeReceipts();
  }

  private nowHeld(paths: readonly RelativePath[]): void {
    for (const path of paths) this.receipts.settled(path);
    this.wakeReceipts();
    this.wakePushes();
  }

  private hintParents(paths: readonly RelativePath[]): void {
    const directories = new Set<DirectoryPath>(paths.map(parentOf));
    for (const directory of directories) this.hints.hint(directory);
  }

  private scheduleRacyRecheck(waitedMs = 0): void {
    this.timers.once('racy', RACY_RECHECK_MS, () => {
      // It costs reading whole files: not while peers are still taking them, unless that goes on for long.
      const busy = this.applying.isBusy || this.scanning > 0 || this.isAnyoneBehind();
      if (busy && waitedMs < RACY_PATIENCE_MS) {
        this.scheduleRacyRecheck(waitedMs + RACY_RECHECK_MS);
        return;
      }
      this.scanQueue = this.scanQueue
        .then(() => this.local.recheckRacy(RACY_BATCH, this.stopping.signal))
        .then(
          (looked) => looked > 0 && this.scheduleRacyRecheck(),
          (error: unknown) =>
            !this.stopping.signal.aborted && this.deps.events.failed('hashing again', error),
        );
    });
  }

  private isAnyoneBehind(): boolean {
    const sequence = this.sequence();
    return [...this.links.keys()].some((device) => this.receipts.durableSequenceOf(device) < sequence);
  }

  private rescanIntervalMs(): number {
    return this.watchProblem === undefined ? this.options.rescanIntervalMs : this.options.unwatchedIntervalMs;
  }
}
