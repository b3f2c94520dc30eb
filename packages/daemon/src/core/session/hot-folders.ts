import type { FolderId } from '../model/identifiers.js';

export interface HotFolderOptions {
  /** Updates per second above which a folder gets a stream of its own. Default 100. */
  readonly promoteAbove?: number;
  /** Updates per second below which it gives it back. Default 20. */
  readonly demoteBelow?: number;
  /** For how long it has to be below. Also the least time between two moves of one folder. Default 60,000. */
  readonly quietMs?: number;
  /** Default 48: with control, receipts and eight shards that leaves some of the 64 streams that a peer allows. */
  readonly maxHot?: number;
}

export type FolderMove = 'promote' | 'demote';

interface Watched {
  /** Updates of each of the last whole seconds, and of the current one. */
  readonly seconds: number[];
  second: number;
  isHot: boolean;
  movedMs: number;
  /** Since when it has been below the lower rate. */
  quietSinceMs: number;
}

/** The rate is that of this many whole seconds: one burst shorter than that is no reason to move. */
const WINDOW_SECONDS = 3;

/**
 * Decides which folders have an index stream of their own. Time comes in, on a clock that never goes backwards.
 *
 * 1. A folder is promoted when it had more than 100 updates/s over the last three seconds, and demoted when it has had
 *    fewer than 20 updates/s for 60 s on end.
 * 2. No folder moves more than once in 60 s.
 * 3. At most 48 folders are hot at once; others wait until one is demoted.
 */
export class HotFolders {
  private readonly promoteAbove: number;
  private readonly demoteBelow: number;
  private readonly quietMs: number;
  private readonly maxHot: number;
  private readonly folders = new Map<FolderId, Watched>();
  private hotCount = 0;

  constructor(options: HotFolderOptions = {}) {
    this.promoteAbove = options.promoteAbove ?? 100;
    this.demoteBelow = options.demoteBelow ?? 20;
    this.quietMs = options.quietMs ?? 60_000;
    this.maxHot = options.maxHot ?? 48;
  }

  get size(): number {
    return this.hotCount;
  }

  isHot(folder: FolderId): boolean {
    return this.folders.get(folder)?.isHot ?? false;
  }

  /** So many updates of this folder went out. */
  updated(folder: FolderId, count: number, nowMs: number): void {
    const watched = this.watch(folder, nowMs);
    advance(watched, nowMs);
    const last = watched.seconds.length - 1;
    watched.seconds[last] = (watched.seconds[last] ?? 0) + count;
  }

  /** The move that is due for this folder now; it counts as made. */
  decide(folder: FolderId, nowMs: number): FolderMove | undefined {
    const watched = this.folders.get(folder);
    if (watched === undefined) return undefined;
    advance(watched, nowMs);
    const rate = rateOf(watched);
    if (rate >= this.demoteBelow) watched.quietSinceMs = nowMs;
    if (nowMs - watched.movedMs < this.quietMs) return undefined;
    if (!watched.isHot) {
      if (rate <= this.promoteAbove || this.hotCount >= this.maxHot) return undefined;
      return this.move(watched, 'promote', nowMs);
    }
    return nowMs - watched.quietSinceMs >= this.quietMs ? this.move(watched, 'demote', nowMs) : undefined;
  }

  /** The folder is not exchanged any more. */
  forget(folder: FolderId): void {
    if (this.isHot(folder)) this.hotCount--;
    this.folders.delete(folder);
  }

  private move(watched: Watched, move: FolderMove, nowMs: number): FolderMove {
    watched.isHot = move === 'promote';
    watched.movedMs = nowMs;
    watched.quietSinceMs = nowMs;
    this.hotCount += watched.isHot ? 1 : -1;
    return move;
  }

  private watch(folder: FolderId, nowMs: number): Watched {
    const known = this.folders.get(folder);
    if (known !== undefined) return known;
    const watched: Watched = {
      seconds: new Array<number>(WINDOW_SECONDS + 1).fill(0),
      second: Math.floor(nowMs / 1000),
      isHot: false,
      movedMs: Number.NEGATIVE_INFINITY,
      quietSinceMs: nowMs,
    };
    this.folders.set(folder, watched);
    return watched;
  }
}

/** The higher of the rates with and without the second that is not over. */
function rateOf({ seconds }: Watched): number {
  const sum = seconds.reduce((total, count) => total + count, 0);
  const [oldest = 0] = seconds;
  const current = seconds.at(-1) ?? 0;
  return (sum - Math.min(oldest, current)) / WINDOW_SECONDS;
}

/** Shifts the window to the second of `nowMs`. */
function advance(watched: Watched, nowMs: number): void {
  const second = Math.floor(nowMs / 1000);
  const steps = Math.min(second - watched.second, WINDOW_SECONDS + 1);
  for (let i = 0; i < steps; i++) {
    watched.seconds.shift();
    watched.seconds.push(0);
  }
  watched.second = Math.max(watched.second, second);
}
