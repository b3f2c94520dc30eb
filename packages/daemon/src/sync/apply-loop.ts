import type { ContentHash } from '../core/model/identifiers.js';
import type { Problem } from '../core/model/problem.js';
import { parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { Applier, ApplyOutcome, ApplyTask, FileSource } from '../core/ports/applier.js';
import type { Blake3, Clock } from '../core/ports/clock.js';
import type { ContentIndex } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import { isImplicitDirectory } from '../core/reconcile/plan-path.js';
import { type CommitContext, commitAdoptions, commitApplied, commitCopies } from './apply-commit.js';
import { type ApplyPlan, contentToFetch, planBatch } from './apply-plan.js';
import type { ContentFetch, FetchResult, FileContent } from './content-fetch.js';
import { Delays } from './delays.js';
import { isSettled } from './held-state.js';
import { discardUnwantedPartials } from './leftover-partials.js';
import type { PathLocks } from './path-locks.js';

export interface ApplyLoopDependencies {
  readonly index: ContentIndex;
  readonly applier: Applier;
  readonly disk: FolderDisk;
  readonly fetch: ContentFetch;
  readonly locks: PathLocks;
  readonly clock: Clock;
  readonly blake3: Blake3;
  /** These paths are now as known, flushed. */
  readonly onHeld: (paths: readonly RelativePath[]) => void;
  /** Something else stood there than was assumed: it is to be looked at. */
  readonly onLocalEdit: (paths: readonly RelativePath[]) => void;
  /** This disk cannot hold that name, ever. */
  readonly onUnplaceable: (path: RelativePath, reason: string) => void;
  /** After the disk as a whole failed: finds out what was done, before anything else is. */
  readonly recover: () => Promise<void>;
  readonly onFailed: (error: unknown) => void;
  /** Nothing is being applied or fetched any more. */
  readonly onIdle: () => void;
  /** True when there are other devices than the one an entry came from. */
  readonly relays: () => boolean;
  /** Nothing is to be done for now. */
  readonly isPaused: () => boolean;
  /** Contents may be asked for: there is room for them. */
  readonly mayFetch: () => boolean;
  /** Known deletions are not to be done for now. */
  readonly holdsDeletions: () => boolean;
}

const BATCH_PATHS = 512;
/** Paths looked at in one turn of the event loop. */
const LOOK_PATHS = 256;
const BATCH_BYTES = 16 * 1024 * 1024;
/** Contents under way at once. Beyond, paths wait in the index. */
const MAX_FETCHING = 4_000;
const MAX_LARGE_FETCHING = 4;
/** Paths remembered one by one; beyond, the index is asked for all that is needed. */
const MAX_REMEMBERED = 50_000;
const RETRY_MS = 250;
const DISK_FULL_RETRY_MS = 2_000;
const PASS_ROWS = 500;

/** Brings known entries onto the disk: plans batches of paths, gets what they lack, applies them, and stores what is held. */
export class ApplyLoop {
  /** Paths to be looked at. */
  private readonly todo = new Set<RelativePath>();
  /** Paths that lack nothing but to be applied. */
  private readonly ready = new Set<RelativePath>();
  /** Paths of large files whose turn has not come: few at a time, so that small ones pass them. */
  private readonly largeWaiting = new Set<RelativePath>();
  /** Paths by the content they wait for. */
  private readonly waiting = new Map<ContentHash, Set<RelativePath>>();
  private readonly fetched = new Map<RelativePath, { hash: ContentHash; source: FileSource }>();
  private fetchedBytes = 0;
  private largeFetching = 0;
  /** Directories that are to go once what they hold has gone. */
  private readonly emptying = new Set<RelativePath>();
  private passAfter: RelativePath | '' | undefined;
  private running: Promise<void> | undefined;
  private diskFull = false;
  private stopped = false;
  private readonly delays: Delays;

  constructor(private readonly deps: ApplyLoopDependencies) {
    this.delays = new Delays(deps.clock);
  }

  get isBusy(): boolean {
    return (
      this.running !== undefined ||
      this.todo.size > 0 ||
      this.deps.fetch.active > 0 ||
      this.fetched.size > 0 ||
      this.passAfter !== undefined
    );
  }

  /** True while paths are being changed by the applier, or are about to be. */
  get isApplying(): boolean {
    return this.running !== undefined || this.fetched.size > 0 || this.deps.fetch.active > 0;
  }

  /** True while too much waits in memory to be written: no more is to be asked for. */
  get isBehind(): boolean {
    return this.fetchedBytes > 2 * BATCH_BYTES;
  }

  consider(paths: Iterable<RelativePath>): void {
    for (const path of paths) {
      if (this.todo.size >= MAX_REMEMBERED) {
        this.passAfter = '';
        break;
      }
      this.todo.add(path);
    }
    this.kick();
  }

  /** Looks at everything that is known and not held: after a start, or when a peer has come. */
  considerAll(): void {
    this.passAfter = '';
    this.kick();
  }

  /** The same, now and then: what could not be placed or got is tried again, and what is left over is cleared away. */
  reconsider(): void {
    this.considerAll();
    this.clearLeftovers();
  }

  /** Partials of contents that nothing wants any more go. */
  clearLeftovers(): void {
    discardUnwantedPartials(this.deps).catch((error: unknown) => this.deps.onFailed(error));
  }

  /** A content that was asked for has come, or not. */
  fetchEnded(content: FileContent, result: FetchResult): void {
    if (content.chunks.length > 1) this.largeFetched();
    const paths = this.waiting.get(content.hash);
    this.waiting.delete(content.hash);
    if (paths === undefined) return;
    if (result.ok) this.keepFetched(content, result.source, paths);
    else if (result.why === 'problem') this.fetchFailed(result, paths);
    this.kick();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.delays.stop();
    await this.running;
  }

  private largeFetched(): void {
    this.largeFetching--;
    const [next] = this.largeWaiting;
    if (next === undefined) return;
    this.largeWaiting.delete(next);
    this.todo.add(next);
  }

  private keepFetched(content: FileContent, source: FileSource, paths: ReadonlySet<RelativePath>): void {
    for (const path of paths) {
      this.todo.delete(path);
      // The one partial becomes the first path's file; the others are copied from there.
      const first = source.kind !== 'partial' || path === paths.values().next().value;
      if (first) {
        this.fetched.set(path, { hash: content.hash, source });
        if (source.kind === 'bytes') this.fetchedBytes += content.sizeBytes;
      } else this.delays.after(RETRY_MS, () => this.consider([path]));
    }
  }

  private fetchFailed(
    result: Extract<FetchResult, { why: 'problem' }>,
    paths: ReadonlySet<RelativePath>,
  ): void {
    this.noteProblem(result.problem);
    if (result.diskFull) this.waitForSpace();
    else this.delays.after(DISK_FULL_RETRY_MS, () => this.consider(paths));
  }

  private kick(): void {
    if (this.running !== undefined || this.stopped) return;
    this.running = this.run().finally(() => {
      this.running = undefined;
      if (this.hasWork()) this.kick();
      else if (!this.isApplying) this.deps.onIdle();
    });
  }

  private hasWork(): boolean {
    if (this.stopped || this.diskFull || this.deps.isPaused()) return false;
    if (this.fetched.size > 0 || this.ready.size > 0) return true;
    return this.mayFetch() && (this.todo.size > 0 || this.passAfter !== undefined);
  }

  private mayFetch(): boolean {
    return this.deps.fetch.active < MAX_FETCHING && !this.isBehind;
  }

  private async run(): Promise<void> {
    // What arrives in the same turn is planned together: both halves of a move, parents and children.
    await this.nextTurn();
    while (this.hasWork()) {
      try {
        this.look();
        await (this.fetched.size > 0 || this.ready.size > 0 ? this.applyBatch() : this.nextTurn());
      } catch (error) {
        this.deps.onFailed(error);
        await new Promise<void>((resolve) => this.deps.clock.after(RETRY_MS, resolve));
        await this.deps.recover().catch((failure: unknown) => this.deps.onFailed(failure));
        if (this.todo.size === 0) this.passAfter ??= '';
      }
    }
  }

  private nextTurn(): Promise<void> {
    return new Promise((resolve) => this.deps.clock.after(0, resolve));
  }

  /** Finds out which paths need content from a peer, so that it is on its way while others are applied. */
  private look(): void {
    if (this.todo.size === 0) this.continuePass();
    let looked = 0;
    for (const path of this.todo) {
      if (looked++ >= LOOK_PATHS || !this.mayFetch()) break;
      this.todo.delete(path);
      const wanted = contentToFetch(path, this.deps);
      if (wanted === undefined) this.ready.add(path);
      else this.queueFetch(path, wanted);
    }
  }

  private takePaths(): Set<RelativePath> {
    const paths = new Set<RelativePath>();
    let bytes = 0;
    for (const [path, { source }] of this.fetched) {
      if (paths.size >= BATCH_PATHS || bytes >= BATCH_BYTES) return paths;
      paths.add(path);
      bytes += source.kind === 'bytes' ? source.bytes.length : 0;
    }
    for (const path of this.ready) {
      if (paths.size >= BATCH_PATHS) break;
      this.ready.delete(path);
      paths.add(path);
    }
    return paths;
  }

  private continuePass(): void {
    if (this.passAfter === undefined) return;
    const rows = this.deps.index.needed(PASS_ROWS, this.passAfter === '' ? undefined : this.passAfter);
    for (const row of rows) if (!this.fetched.has(row.path)) this.todo.add(row.path);
    this.passAfter = rows.length < PASS_ROWS ? undefined : rows.at(-1)?.path;
  }

  private async applyBatch(): Promise<void> {
    const taken = this.takePaths();
    // What arrives during the batch is for the next one.
    const used = [...taken].filter((path) => this.fetched.has(path));
    const paths = [...taken].filter((path) => this.deps.locks.tryLock(path));
    const context: CommitContext = {
      index: this.deps.index,
      nowMs: this.deps.clock.nowMs(),
      relays: this.deps.relays(),
    };
    const plan = this.plan(paths, context);
    const touched = this.lockTouched(plan);
    try {
      if (plan.adoptions.length > 0) commitAdoptions(plan.adoptions, context);
      const held = plan.adoptions.map(({ path }) => path);
      for (const path of plan.waiting) this.emptying.add(path);
      for (const { path, content } of plan.toFetch) this.queueFetch(path, content);
      if (plan.tasks.length > 0)
        held.push(...this.take(plan.tasks, await this.deps.applier.apply(plan.tasks), context));
      if (held.length > 0) this.deps.onHeld(held.filter((path) => isSettled(this.deps.index.get(path))));
    } finally {
      for (const path of used) this.dropFetched(path);
      this.deps.locks.unlock([...paths, ...touched]);
      this.deps.fetch.resume();
    }
  }

  /**
   * Conflict copies that the batch will make are known before its directories are planned: an unseen file in a deleted
   * directory keeps that directory.
   */
  private plan(paths: readonly RelativePath[], context: CommitContext): ApplyPlan {
    const planning = {
      index: this.deps.index,
      blake3: this.deps.blake3,
      fetched: (path: RelativePath, content: FileContent) => this.fetchedFor(path, content),
      holdsDeletions: this.deps.holdsDeletions(),
    };
    const plan = planBatch(paths, planning);
    const displaced = plan.tasks.flatMap((task) =>
      task.displaced.to === 'copy' ? [{ original: task.path, entry: task.displaced.entry }] : [],
    );
    const copies = [...plan.copies, ...displaced];
    if (copies.length === 0) return plan;
    commitCopies(copies, context);
    for (const { entry } of plan.copies) this.todo.add(entry.path);
    return planBatch(paths, planning);
  }

  /** Paths that the batch touches beyond those it was made of: parents, and where moves come from. */
  private lockTouched(plan: ApplyPlan): RelativePath[] {
    const touched: RelativePath[] = [];
    for (const task of plan.tasks) {
      if (this.deps.locks.tryLock(task.path)) touched.push(task.path);
      if (task.action.kind === 'move' && this.deps.locks.tryLock(task.action.from))
        touched.push(task.action.from);
      if (task.displaced.to === 'copy' && this.deps.locks.tryLock(task.displaced.entry.path))
        touched.push(task.displaced.entry.path);
    }
    return touched;
  }

  private queueFetch(path: RelativePath, content: FileContent): void {
    const paths = this.waiting.get(content.hash);
    if (paths !== undefined) paths.add(path);
    // What is not got now is needed still, and looked at again once there is room.
    else if (!this.deps.mayFetch()) return;
    else if (content.chunks.length > 1 && this.largeFetching >= MAX_LARGE_FETCHING)
      this.largeWaiting.add(path);
    else this.startFetch(path, content);
  }

  private startFetch(path: RelativePath, content: FileContent): void {
    this.waiting.set(content.hash, new Set([path]));
    if (content.chunks.length > 1) this.largeFetching++;
    this.deps.fetch.start(path, content);
  }

  private fetchedFor(path: RelativePath, content: FileContent): FileSource | undefined {
    const fetched = this.fetched.get(path);
    return fetched?.hash === content.hash ? fetched.source : undefined;
  }

  private dropFetched(path: RelativePath): void {
    const fetched = this.fetched.get(path);
    if (fetched === undefined) return;
    this.fetched.delete(path);
    if (fetched.source.kind === 'bytes') this.fetchedBytes -= fetched.source.bytes.length;
  }

  /** Takes in what became of each task. Returns the paths that are held now. */
  private take(
    tasks: readonly ApplyTask[],
    outcomes: readonly ApplyOutcome[],
    context: CommitContext,
  ): RelativePath[] {
    const done: Parameters<typeof commitApplied>[0][number][] = [];
    const edited: RelativePath[] = [];
    for (const [i, task] of tasks.entries()) {
      const outcome = outcomes[i];
      if (outcome?.outcome === 'applied') done.push({ task, outcome });
      else if (outcome?.outcome === 'local-edit') edited.push(task.path);
      else if (outcome?.outcome === 'failed') this.taskFailed(task, outcome);
      else this.delays.after(RETRY_MS, () => this.consider([task.path]));
    }
    const copies = commitApplied(done, context);
    this.afterRemovals(done.map(({ task }) => task));
    if (edited.length > 0) {
      this.deps.onLocalEdit(edited);
      this.delays.after(RETRY_MS, () => this.consider(edited));
    }
    const moved = done.flatMap(({ task }) => (task.action.kind === 'move' ? [task.action.from] : []));
    return [...done.map(({ task }) => task.path), ...moved, ...copies];
  }

  private taskFailed(task: ApplyTask, outcome: Extract<ApplyOutcome, { outcome: 'failed' }>): void {
    this.noteProblem(outcome.problem);
    if (outcome.disk === 'full') this.waitForSpace();
    else if (outcome.problem.code === 'directory-not-empty') this.emptying.add(task.path);
    else if (outcome.problem.code === 'unplaceable') this.deps.onUnplaceable(task.path, outcome.problem.text);
    else this.delays.after(DISK_FULL_RETRY_MS, () => this.consider([task.path]));
  }

  /** A directory that waits to be removed, or stands only for what is below it, may be free to go now. */
  private afterRemovals(tasks: readonly ApplyTask[]): void {
    for (const { path, action } of tasks) {
      const left = action.kind === 'remove' ? path : action.kind === 'move' ? action.from : undefined;
      const parent = left === undefined ? '' : parentOf(left);
      if (parent === '') continue;
      if (this.emptying.delete(parent) || isImplicitDirectory(this.deps.index.get(parent)?.held))
        this.todo.add(parent);
    }
  }

  private noteProblem(problem: Problem): void {
    this.deps.index.transact((tx) => tx.setProblem(problem));
  }

  private waitForSpace(): void {
    if (this.diskFull) return;
    this.diskFull = true;
    this.clearLeftovers();
    this.delays.after(DISK_FULL_RETRY_MS, () => {
      this.diskFull = false;
      this.considerAll();
    });
  }
}
