import type { Content, FileEntry, MetadataRegister } from '../core/model/file-entry.js';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Problem } from '../core/model/problem.js';
import { type DirectoryPath, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { Applier, ApplyAction, ApplyOutcome, ApplyTask } from '../core/ports/applier.js';
import type { Clock } from '../core/ports/clock.js';
import type { ContentIndex, HistoryItem, IndexRow, IndexTransaction } from '../core/ports/content-index.js';
import { authorVersion } from '../core/reconcile/author-version.js';
import { compareVersions } from '../core/reconcile/version-order.js';
import { findEntryLimit } from '../core/wire/batching.js';
import { isSettled } from './held-state.js';
import type { PathLocks } from './path-locks.js';

export interface LocalEditsDependencies {
  readonly index: ContentIndex;
  readonly applier: Pick<Applier, 'apply'>;
  readonly locks: PathLocks;
  readonly clock: Clock;
  readonly device: DeviceKey;
  /** Has these directories looked at; resolves when what changed there is in the index. */
  readonly scan: (directories: readonly DirectoryPath[]) => Promise<unknown>;
  /** As `LocalChangesDependencies` has them. */
  readonly onAuthored: () => void;
  readonly onSuperseded: (lost: FileEntry, winner: FileEntry, tx: IndexTransaction) => void;
  /** Something newer is known of these paths than what stands there now. */
  readonly onBehind: (paths: readonly RelativePath[]) => void;
}

/** What a person had done to one path by a command. */
export interface LocalEdit {
  readonly path: RelativePath;
  readonly content: Content;
  readonly metadata: Omit<MetadataRegister, 'stamp'>;
  readonly action: Extract<ApplyAction, { kind: 'file' | 'symlink' | 'remove' | 'directory' }>;
}

export type LocalEditOutcome =
  /** It stands there, and what stood there before went to history. */
  | { readonly outcome: 'done'; readonly displaced: HistoryItem | undefined }
  /** What the content was to come from is gone. */
  | { readonly outcome: 'source-gone' }
  | { readonly outcome: 'failed'; readonly problem: Problem };

const LOCK_TIMEOUT_MS = 10_000;
const LOCK_POLL_MS = 20;
/** Somebody may be writing to the very file: it is looked at again this often, so much later each time. */
const ATTEMPTS = 5;
const RETRY_MS = 50;
const DIRECTORY_MODE = 0o755;

/**
 * Changes that a command makes in a folder for its person: a version is authored, and brought onto the disk by the applier
 * as one from elsewhere would be. Nothing is overwritten, a crash leaves an intent, and no scan takes it for another change.
 */
export class LocalEdits {
  readonly #deps: LocalEditsDependencies;

  constructor(deps: LocalEditsDependencies) {
    this.#deps = deps;
  }

  /** Never throws for what is wrong with the path. */
  async perform(edit: LocalEdit, signal: AbortSignal): Promise<LocalEditOutcome> {
    const obstacle = await this.#makeParents(edit, signal);
    if (obstacle !== undefined) return obstacle;
    for (let attempt = 1; ; attempt++) {
      // What a person wrote there unseen so far becomes a version first, so that this edit comes on top of it.
      await this.#deps.scan([parentOf(edit.path)]);
      const outcome = await this.#tryOnce(edit, signal);
      if (outcome !== undefined) return outcome;
      if (attempt === ATTEMPTS || signal.aborted) return busy(edit.path, 'It is being written to.');
      await this.#pause(RETRY_MS * attempt);
    }
  }

  /** Undefined where something else stood there than was known. */
  async #tryOnce(edit: LocalEdit, signal: AbortSignal): Promise<LocalEditOutcome | undefined> {
    const { index, locks, applier } = this.#deps;
    const { path } = edit;
    if (!(await this.#lock(path, signal))) return busy(path, 'Something is being done to it.');
    try {
      const row = index.get(path);
      const held = row?.held;
      if (held?.stat.type === 'directory' && edit.content.type !== 'directory')
        return failed(path, 'unplaceable', 'A directory stands there.');
      const entry = this.#author(edit, row);
      const limit = findEntryLimit(entry);
      if (limit !== undefined) return failed(path, 'limit-exceeded', limit);
      const { content } = held?.version ?? {};
      const task: ApplyTask = {
        path,
        entry,
        assumed: held?.stat,
        verifyHash: held?.racy === true && content?.type === 'file' ? content.hash : undefined,
        action: edit.action,
        displaced: { to: 'history' },
      };
      const [outcome] = await applier.apply([task]);
      if (outcome?.outcome === 'applied') return this.#commit(task, row, outcome);
      if (outcome?.outcome === 'failed') return { outcome: 'failed', problem: outcome.problem };
      return outcome?.outcome === 'source-gone' ? { outcome: 'source-gone' } : undefined;
    } finally {
      locks.unlock([path]);
    }
  }

  #author({ path, content, metadata }: LocalEdit, row: IndexRow | undefined): FileEntry {
    const { index, clock, device } = this.#deps;
    // Taken for good before anything is tried: no counter ever names two contents.
    const sequence = index.transact((tx) => tx.nextSequence());
    const { incarnation } = index.identity();
    const nowMs = clock.nowMs();
    return authorVersion({
      path,
      row,
      content,
      metadata,
      incarnation,
      sequence,
      nowMs,
      author: device,
      found: false,
    });
  }

  #commit(
    { path, entry }: ApplyTask,
    before: IndexRow | undefined,
    outcome: Extract<ApplyOutcome, { outcome: 'applied' }>,
  ): LocalEditOutcome {
    const { index, onSuperseded, onAuthored, onBehind } = this.#deps;
    const { stat, historyItem, intentId } = outcome;
    index.transact((tx) => {
      const row = tx.get(path) ?? before;
      const held = stat && { version: entry.version, metadata: entry.metadata, stat, racy: false };
      const isNewest = row?.known === undefined || compareVersions(entry.version, row.known.version) > 0;
      const known = isNewest ? entry : row?.known;
      const source = isNewest ? undefined : row?.source;
      // A new number, because those taken meanwhile may have been sent already.
      tx.put({ path, sequence: tx.nextSequence(), known, held, source, conflictOf: row?.conflictOf });
      if (isNewest && row?.known !== undefined && !isSettled(row)) onSuperseded(row.known, entry, tx);
      if (historyItem !== undefined) tx.addHistory(historyItem);
      if (intentId !== undefined) tx.removeIntent(intentId);
      tx.clearProblem(path);
    });
    onAuthored();
    if (!isSettled(index.get(path))) onBehind([path]);
    return { outcome: 'done', displaced: historyItem };
  }

  /** The directories above come back with what is below them. */
  async #makeParents(
    { path, content }: LocalEdit,
    signal: AbortSignal,
  ): Promise<LocalEditOutcome | undefined> {
    if (content.type === 'deleted') return undefined;
    const missing: RelativePath[] = [];
    for (let directory = parentOf(path); directory !== ''; directory = parentOf(directory)) {
      if (this.#deps.index.get(directory)?.held?.stat.type === 'directory') break;
      missing.unshift(directory);
    }
    for (const directory of missing) {
      const edit: LocalEdit = {
        path: directory,
        content: { type: 'directory' },
        metadata: { mtimeNs: 0n, executable: true, mode: DIRECTORY_MODE },
        action: { kind: 'directory' },
      };
      await this.#deps.scan([parentOf(directory)]);
      const stat = this.#deps.index.get(directory)?.held?.stat;
      if (stat?.type === 'directory') continue;
      if (stat !== undefined)
        return failed(directory, 'unplaceable', 'A file stands where its directory was.');
      const outcome = (await this.#tryOnce(edit, signal)) ?? busy(directory, 'It is being made.');
      if (outcome.outcome !== 'done') return outcome;
    }
    return undefined;
  }

  async #lock(path: RelativePath, signal: AbortSignal): Promise<boolean> {
    const { locks, clock } = this.#deps;
    const startedMs = clock.monotonicMs();
    while (!locks.tryLock(path)) {
      if (signal.aborted || clock.monotonicMs() - startedMs > LOCK_TIMEOUT_MS) return false;
      await this.#pause(LOCK_POLL_MS);
    }
    return true;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.after(delayMs, resolve));
  }
}

function busy(path: RelativePath, what: string): LocalEditOutcome {
  return failed(path, 'keeps-changing', `${what} Try again.`);
}

function failed(path: RelativePath, code: Problem['code'], text: string): LocalEditOutcome {
  return { outcome: 'failed', problem: { path, code, text } };
}
