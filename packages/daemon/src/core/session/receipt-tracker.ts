import type { RelativePath } from '../model/relative-path.js';
import { PendingQueue } from './pending-queue.js';

export interface UnplaceableEntry {
  readonly path: RelativePath;
  readonly reason: string;
}

/** Unplaceable entries listed at once; beyond it the oldest are dropped from the list. */
export const MAX_UNPLACEABLE = 1_000;

/**
 * Up to where one peer's index of one folder is durable here.
 *
 * 1. `delivered` is the highest sequence up to which everything was received.
 * 2. `durable` is the highest N up to which everything was received, and of which nothing up to N is pending.
 * 3. A path announced again while it is pending keeps its oldest sequence: that older version was never made durable, and
 *    what comes in its place counts for it only once it is.
 * 4. An unplaceable entry holds nothing up; it is listed until its path is settled.
 *
 * Sequences need not ascend: a version that lost waits, with its own sequence, for the copy that will hold it.
 */
export class ReceiptTracker {
  private readonly pending = new PendingQueue();
  private readonly unplaceableReasons = new Map<RelativePath, string>();
  private unplaceableList: readonly UnplaceableEntry[] | undefined;
  private deliveredSequence: number;

  /** What came up to `afterSequence` is durable already. */
  constructor(afterSequence: number) {
    this.deliveredSequence = afterSequence;
  }

  get delivered(): number {
    return this.deliveredSequence;
  }

  get durable(): number {
    const oldest = this.pending.oldestSequence();
    return oldest === undefined ? this.deliveredSequence : Math.min(this.deliveredSequence, oldest - 1);
  }

  /** Oldest first, at most {@link MAX_UNPLACEABLE}. The same array until something of it changes. */
  get unplaceable(): readonly UnplaceableEntry[] {
    this.unplaceableList ??= [...this.unplaceableReasons].map(([path, reason]) => ({ path, reason }));
    return this.unplaceableList;
  }

  /** Paths that are received and not yet durable. */
  get pendingPaths(): number {
    return this.pending.size;
  }

  /** This path, with this sequence, waits to be durable. */
  received(path: RelativePath, sequence: number): void {
    this.pending.add(path, sequence);
  }

  /** Whatever was received of this path, or a version that had seen it, is flushed here. */
  settled(path: RelativePath): void {
    this.pending.remove(path);
    if (this.unplaceableReasons.delete(path)) this.unplaceableList = undefined;
  }

  /** Everything up to this sequence was received. */
  endedAt(sequence: number): void {
    this.deliveredSequence = Math.max(this.deliveredSequence, sequence);
  }

  /** What this path's entry says cannot stand here. A version of it that came earlier and is pending cannot, either. */
  markUnplaceable(path: RelativePath, _sequence: number, reason: string): void {
    this.pending.remove(path);
    this.unplaceableReasons.delete(path);
    this.unplaceableReasons.set(path, reason);
    for (const oldest of this.unplaceableReasons.keys()) {
      if (this.unplaceableReasons.size <= MAX_UNPLACEABLE) break;
      this.unplaceableReasons.delete(oldest);
    }
    this.unplaceableList = undefined;
  }
}
