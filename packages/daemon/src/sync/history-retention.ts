import { describeFound } from '../core/history/found-history.js';
import { findExpired, findSurplus, historyBudget } from '../core/history/retention.js';
import type { SharedBudget } from '../core/history/shared-budget.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Clock } from '../core/ports/clock.js';
import type { ContentIndex, HistoryItem } from '../core/ports/content-index.js';
import type { AreaPath, FolderDisk } from '../core/ports/folder-disk.js';
import type { HistoryArea, HistoryFile } from '../core/ports/history-area.js';

export interface HistoryRetentionDependencies {
  readonly index: ContentIndex;
  readonly disk: Pick<FolderDisk, 'freeBytes' | 'run'>;
  readonly history: HistoryArea;
  readonly clock: Clock;
  /** Of all folders on one disk together. */
  readonly budget: SharedBudget;
  readonly limits: () => { readonly keepDays: number; readonly maxPercent: number };
  readonly onFailed: (error: unknown) => void;
}

const FIRST_LOOK_MS = 60_000;
const LOOK_EVERY_MS = 3_600_000;
/** Looked at, or removed, before others have a turn. */
const PATHS_A_TURN = 100;
const REMOVED_A_TURN = 256;
/** Of one path; newer ones than those thin out the older ones first. */
const MAX_VERSIONS = 100_000;
/** What is found in history by an index that is new; the rest is found after the next rebuilding. */
const MAX_FOUND = 200_000;

/** Lets the history of one folder go as it grows old and large, in the background: an hour between two looks. */
export class HistoryRetention {
  readonly #deps: HistoryRetentionDependencies;
  readonly #stopping = new AbortController();
  /** The index knows nothing yet of what lay in history before it was made. */
  readonly #isIndexNew: boolean;
  #cancelTimer: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(deps: HistoryRetentionDependencies) {
    this.#deps = deps;
    this.#isIndexNew = !deps.index.identity().firstScanDone;
  }

  start(): void {
    this.#schedule(FIRST_LOOK_MS);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelTimer?.();
    await this.#looking;
    this.#deps.budget.forget(this.#deps.index.folder);
  }

  /** Looks through all history once. Resolves with how many files went. */
  async look(): Promise<number> {
    const openAreas = new Set(this.#deps.index.intents().map(({ displacedTo }) => displacedTo));
    const isFree = ({ area }: HistoryItem) => !openAreas.has(area);
    const { removed, keptBytes } = await this.#letExpire(isFree);
    return removed + (await this.#makeRoom(keptBytes, isFree));
  }

  /** Takes into the index what lies in history and no index knows of. */
  async adoptFound(): Promise<void> {
    const { index, history } = this.#deps;
    const listed = await history.list(MAX_FOUND);
    if (!listed.ok) return;
    for (let at = 0; at < listed.value.length && !this.#isStopped; at += REMOVED_A_TURN) {
      const items = listed.value.slice(at, at + REMOVED_A_TURN).flatMap((file) => this.#found(file));
      if (items.length > 0) {
        index.transact((tx) => {
          for (const item of items) tx.addHistory(item);
        });
      }
      await this.#nextTurn();
    }
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return;
    this.#cancelTimer = this.#deps.clock.after(delayMs, () => {
      this.#looking = this.#lookInBackground(delayMs === FIRST_LOOK_MS).then(() =>
        this.#schedule(LOOK_EVERY_MS),
      );
    });
  }

  async #lookInBackground(isFirst: boolean): Promise<void> {
    try {
      if (isFirst && this.#isIndexNew) await this.adoptFound();
      await this.look();
    } catch (error) {
      if (!this.#isStopped) this.#deps.onFailed(error);
    }
  }

  #found(file: HistoryFile): readonly HistoryItem[] {
    const { index } = this.#deps;
    const item = describeFound(file, (path) => index.get(path)?.held !== undefined);
    if (item === undefined) return [];
    const isKnown = index.historyOf(item.path, MAX_VERSIONS).some(({ area }) => area === item.area);
    const isOpen = index.intents().some(({ displacedTo }) => displacedTo === item.area);
    return isKnown || isOpen ? [] : [item];
  }

  async #letExpire(isFree: (item: HistoryItem) => boolean): Promise<{ removed: number; keptBytes: number }> {
    const { index, clock, limits } = this.#deps;
    let removed = 0;
    let keptBytes = 0;
    let after: RelativePath | undefined;
    while (!this.#isStopped) {
      const paths = index.historyPaths(PATHS_A_TURN, after);
      if (paths.length === 0) break;
      after = paths.at(-1);
      const expired: HistoryItem[] = [];
      for (const path of paths) {
        const items = index.historyOf(path, MAX_VERSIONS);
        const gone = findExpired(items, clock.nowMs(), limits()).filter(isFree);
        expired.push(...gone);
        keptBytes += bytesOf(items) - bytesOf(gone);
      }
      removed += await this.#remove(expired);
      await this.#nextTurn();
    }
    return { removed, keptBytes };
  }

  async #makeRoom(keptBytes: number, isFree: (item: HistoryItem) => boolean): Promise<number> {
    const { index, clock, budget, limits } = this.#deps;
    const disk = await this.#measureDisk();
    if (disk === undefined) return 0;
    budget.note(index.folder, disk.name, keptBytes);
    let excessBytes = budget.excessOf(index.folder, historyBudget(disk, limits().maxPercent));
    let removed = 0;
    while (excessBytes > 0 && !this.#isStopped) {
      const surplus = findSurplus(
        index.oldestHistory(REMOVED_A_TURN).filter(isFree),
        excessBytes,
        clock.nowMs(),
      );
      const count = await this.#remove(surplus);
      if (count === 0) break;
      removed += count;
      excessBytes -= bytesOf(surplus);
      await this.#nextTurn();
    }
    return removed;
  }

  /** First the file, then what the index knows of it: a crash between the two leaves something to remove again. */
  async #remove(items: readonly HistoryItem[]): Promise<number> {
    let removed = 0;
    for (let at = 0; at < items.length && !this.#isStopped; at += REMOVED_A_TURN) {
      const batch = items.slice(at, at + REMOVED_A_TURN);
      const results = await this.#deps.history.remove(batch.map(({ area }) => area));
      const gone = batch.filter((_item, i) => results[i]?.ok === true);
      if (gone.length === 0) continue;
      removed += gone.length;
      this.#deps.index.transact((tx) => {
        for (const item of gone) tx.removeHistory(item);
      });
    }
    return removed;
  }

  async #measureDisk(): Promise<{ readonly name: string; readonly totalBytes: number } | undefined> {
    const { disk } = this.#deps;
    const [space, [looked]] = await Promise.all([
      disk.freeBytes(),
      disk.run([[{ op: 'stat', at: { area: '' as AreaPath } }]]),
    ]);
    const stat = looked?.[0]?.ok === true ? looked[0].stat : undefined;
    if (!space.ok || stat === undefined) return undefined;
    return { name: String(stat.device), totalBytes: space.value.totalBytes };
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.after(0, resolve));
  }
}

function bytesOf(items: readonly HistoryItem[]): number {
  return items.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
