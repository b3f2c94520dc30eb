import { MASS_DELETE_DEFAULTS, type MassDeleteLimits } from '../core/guards/mass-delete.js';
import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import type { Problem } from '../core/model/problem.js';
import type { DirectoryPath, RelativePath } from '../core/model/relative-path.js';
import type { Applier } from '../core/ports/applier.js';
import type { Blake3, Clock } from '../core/ports/clock.js';
import type { ContentIndex, IndexCounts } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import type { Scanner, Watcher } from '../core/ports/scanner.js';
import type { FolderState, SequencedEntry } from '../core/wire/frames.js';
import { commitRecovered } from './apply-commit.js';
import { ApplyLoop } from './apply-loop.js';
import { ContentFetch, type Progress } from './content-fetch.js';
import { DeletionGuard, type HeldDeletions } from './deletion-guard.js';
import type { FolderLink, LinkedFolder, OutgoingEntry } from './folder-link.js';
import { type DurableReceipt, FolderReceipts } from './folder-receipts.js';
import { FolderScans, type FolderScansOptions } from './folder-scans.js';
import { LocalChanges } from './local-changes.js';
import { LocalEdits, type LocalEditsDependencies } from './local-edits.js';
import { awaitedCopyPath } from './lost-version.js';
import { NamedTimers } from './named-timers.js';
import { PathLocks } from './path-locks.js';
import { RemoteChanges } from './remote-changes.js';
import { SpaceWatch } from './space-watch.js';

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

export interface FolderRunnerOptions extends FolderScansOptions {
  readonly label: string;
  /** Nothing is exchanged from the start on, until {@link FolderRunner.setPaused}. Default false. */
  readonly paused?: boolean;
  /** From how many deletions at once on they are held; undefined for never. Asked for each time. */
  readonly massDelete?: () => MassDeleteLimits | undefined;
}

export type FolderActivity = 'scanning' | 'syncing' | 'idle' | 'paused' | 'held' | 'error';

const PERSIST_MS = 1_000;
/** What could not be placed or got is tried again this often, besides whenever something changes. */
const RECONSIDER_MS = 10_000;

/** One shared folder at work: what changes here becomes versions, what changes elsewhere is brought here. */
export class FolderRunner implements LinkedFolder {
  readonly receipts: FolderReceipts;
  /** Changes that commands make. */
  readonly edits: LocalEdits;
  private readonly scans: FolderScans;
  private readonly deletions: DeletionGuard;
  private readonly remote: RemoteChanges;
  private readonly space: SpaceWatch;
  private readonly fetch: ContentFetch;
  private readonly applying: ApplyLoop;
  private readonly links = new Map<DeviceKey, FolderLink>();
  private readonly stopping = new AbortController();
  /** All of the folder was looked at since the start: what changed meanwhile is known before anything is exchanged. */
  private looked = false;
  private paused: boolean;
  private readonly timers: NamedTimers;

  constructor(
    private readonly deps: FolderRunnerDependencies,
    private readonly options: FolderRunnerOptions,
  ) {
    const { index, disk, clock, device, blake3 } = deps;
    this.paused = options.paused ?? false;
    this.timers = new NamedTimers(clock);
    const locks = new PathLocks((paths) => this.scans.hintParents(paths));
    this.receipts = new FolderReceipts(index);
    this.deletions = new DeletionGuard({
      index,
      clock,
      device,
      limits: options.massDelete ?? (() => MASS_DELETE_DEFAULTS),
      onHeldBack: (path, reason) => this.receipts.unplaceable(path, reason),
    });
    const onSuperseded: LocalEditsDependencies['onSuperseded'] = (lost, winner, tx) => {
      const copyPath = awaitedCopyPath(lost, winner, tx.get, blake3);
      if (copyPath !== undefined) this.receipts.awaitCopyOf(lost.path, copyPath);
      this.receipts.settled(lost.path);
      this.wakeReceipts();
    };
    const local = new LocalChanges({
      index,
      disk,
      scanner: deps.scanner,
      locks,
      clock,
      device,
      deletions: this.deletions,
      onAuthored: () => this.authored(),
      onSuperseded,
      lookAgain: (directory, afterMs) => this.scans.hint(directory, afterMs),
    });
    this.remote = new RemoteChanges({
      index,
      clock,
      blake3,
      device,
      receipts: this.receipts,
      deletions: this.deletions,
    });
    this.space = new SpaceWatch({
      disk,
      clock,
      onLow: () => {
        // A content that no longer fits must not hold its part of the disk for good.
        this.fetch.giveUpAll();
        this.applying.clearLeftovers();
      },
      onRoom: () => this.goOn(),
    });
    this.fetch = new ContentFetch({
      folder: deps.folder,
      index,
      disk,
      blake3,
      onDone: (content, result) => this.applying.fetchEnded(content, result),
      isBehind: () => this.paused || this.applying.isBehind || !this.space.hasRoom(),
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
      onLocalEdit: (paths) => this.scans.hintParents(paths),
      onUnplaceable: (path, reason) => {
        this.receipts.unplaceable(path, reason);
        this.wakeReceipts();
      },
      recover: () => this.recover(),
      onFailed: (error) => deps.events.failed('applying changes', error),
      onIdle: () => this.scans.applierRests(),
      relays: () => this.links.size > 1,
      isPaused: () => this.paused,
      mayFetch: () => this.space.hasRoom(),
      holdsDeletions: () => this.deletions.isHolding,
    });
    this.edits = new LocalEdits({
      ...{ index, applier: deps.applier, locks, clock, device, onSuperseded },
      scan: (paths) => this.scans.scan({ kind: 'directories', paths }),
      onAuthored: () => this.authored(),
      onBehind: (paths) => this.applying.consider(paths),
    });
    this.scans = new FolderScans(
      {
        watcher: deps.watcher,
        clock,
        local,
        isApplying: () => this.applying.isApplying,
        isBusy: () => this.applying.isBusy || this.isAnyoneBehind(),
        onFoundAgain: () => this.becomeReady(),
        onFailed: (what, error) => deps.events.failed(what, error),
      },
      options,
    );
  }

  get index(): ContentIndex {
    return this.deps.index;
  }

  /** Recovers what a crash left, watches, looks at everything once, and is then ready to be exchanged. */
  async start(): Promise<void> {
    const { signal } = this.stopping;
    await this.recover();
    await this.space.look();
    await this.scans.startWatching();
    await this.scans.scan({ kind: 'everything' });
    if (signal.aborted) return;
    if (!this.scans.isRootLost) this.becomeReady();
    this.scans.follow();
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
    await this.scans.stop();
    this.space.stop();
    await this.applying.stop();
    this.receipts.persist();
  }

  /** Looks at everything now. Resolves when all that was written before the call is in the index; with how much that was. */
  rescan(signal: AbortSignal): Promise<number> {
    return this.scans.rescan(signal);
  }

  /** Something changed in this directory that no watcher may have seen. */
  lookAt(directory: DirectoryPath): void {
    this.scans.hint(directory);
  }

  counts(): IndexCounts {
    return this.deps.index.counts();
  }

  activity(): FolderActivity {
    if (this.scans.isRootLost) return 'error';
    if (this.paused) return 'paused';
    if (this.deletions.isHolding) return 'held';
    if (this.applying.isBusy) return 'syncing';
    return this.scans.isScanning ? 'scanning' : 'idle';
  }

  problems(limit: number): readonly Problem[] {
    const space = this.space.problem();
    const own = space === undefined ? this.scans.problems() : [...this.scans.problems(), space];
    return [...own, ...this.deps.index.problems(limit)];
  }

  get isPaused(): boolean {
    return this.paused;
  }

  /**
   * While it is paused, changes here are found and not told, and changes elsewhere are not brought here. Others are still
   * given what they have heard of. The sessions are told by the orchestrator.
   */
  setPaused(paused: boolean): void {
    this.paused = paused;
    if (paused) this.fetch.giveUpAll();
    else this.goOn();
  }

  /** Deletions that wait for a person to decide. */
  heldDeletions(): HeldDeletions | undefined {
    return this.deletions.held();
  }

  /** Lets held deletions go: what is gone here is announced, what was deleted elsewhere is deleted here. */
  async approveDeletions(): Promise<void> {
    await this.scans.between(() => this.deletions.approve());
    this.applying.considerAll();
    await this.scans.scan({ kind: 'everything' });
  }

  /** Takes held deletions back: what is gone here is got again, what was deleted elsewhere is told to be there. */
  async refuseDeletions(): Promise<void> {
    await this.scans.between(() => {
      const { kept } = this.deletions.refuse();
      this.nowHeld(kept);
    });
    this.applying.considerAll();
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

  /** What kept contents from being fetched is over. */
  private goOn(): void {
    this.fetch.resume();
    this.applying.considerAll();
  }

  private becomeReady(): void {
    this.looked = true;
    if (!this.deps.index.identity().firstScanDone) this.deps.index.transact((tx) => tx.finishFirstScan());
    this.deps.events.ready();
  }

  private authored(): void {
    this.wakePushes();
    this.scans.scheduleRacyRecheck();
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

  private isAnyoneBehind(): boolean {
    const sequence = this.sequence();
    return [...this.links.keys()].some((device) => this.receipts.durableSequenceOf(device) < sequence);
  }
}
