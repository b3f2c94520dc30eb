import type { RelativePath } from '../model/relative-path.js';
import { Limits } from '../wire/limits.js';
import { PendingQueue } from './pending-queue.js';

export interface UnplaceableEntry {
  readonly path: RelativePath;
  readonly reason: string;
}

/** The list has to fit into one frame, beside folder and sequence. */
const MAX_LIST_BYTES = Limits.receiptFrameBytes - 1024;
const BYTES_PER_ITEM = 16;
const MAX_REASON_CHARACTERS = 200;

/**
 * What of one peer's index of one folder has come here, and what of it is durable here.
 *
 * 1. `delivered` is the highest sequence up to which everything was received.
 * 2. `durable` is the highest N up to which everything was received, and of which nothing up to N is pending.
 * 3. A path announced again while it is pending keeps its oldest sequence: that older version was never made durable, and
 *    what comes in its place counts for it only once it is.
 * 4. An unplaceable entry holds nothing up, and is listed until its path is settled: a version that comes later and is
 *    pending does not take back that the earlier one is not here. A list that is full stays full until all fit.
 *
 * Sequences need not ascend: a version that lost waits, with its own sequence, for the copy that will hold it.
 */
export class ReceiptTracker {
  private readonly pending = new PendingQueue();
  private readonly reasons = new Map<RelativePath, string>();
  private list: readonly UnplaceableEntry[] | undefined;
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

  /** Oldest first, as many as one receipt holds. The same array until something of it changes. */
  get unplaceable(): readonly UnplaceableEntry[] {
    this.list ??= this.makeList();
    return this.list;
  }

  /** Paths that were received and are not durable yet. */
  get pendingCount(): number {
    return this.pending.size;
  }

  /** This path, with this sequence, waits to be durable. */
  received(path: RelativePath, sequence: number): void {
    this.pending.add(path, sequence);
  }

  /** Whatever was received of this path, or a version that had seen it, is flushed here. */
  settled(path: RelativePath): void {
    this.pending.remove(path);
    if (this.reasons.delete(path)) this.list = undefined;
  }

  /** What is pending of this path cannot stand here. Nothing happens for a path of which nothing was received. */
  cannotPlace(path: RelativePath, reason: string): void {
    if (!this.pending.remove(path) && !this.reasons.has(path)) return;
    this.reasons.set(path, [...reason].slice(0, MAX_REASON_CHARACTERS).join(''));
    this.list = undefined;
  }

  /** What is pending of this path will be durable at another one: a version that lost, and its conflict copy. */
  moved(path: RelativePath, to: RelativePath): void {
    const sequence = this.pending.sequenceOf(path);
    if (sequence === undefined) return;
    this.pending.remove(path);
    this.pending.add(to, sequence);
  }

  /** Everything up to this sequence was received, whether or not there is an entry of that very number. */
  endedAt(sequence: number): void {
    this.deliveredSequence = Math.max(this.deliveredSequence, sequence);
  }

  private makeList(): readonly UnplaceableEntry[] {
    const list: UnplaceableEntry[] = [];
    let bytes = 0;
    for (const [path, reason] of this.reasons) {
      // Three bytes a unit is the most that UTF-8 takes; a frame that is not quite full does no harm.
      bytes += 3 * (path.length + reason.length) + BYTES_PER_ITEM;
      if (list.length === Limits.unplaceablePerReceipt || bytes > MAX_LIST_BYTES) break;
      list.push({ path, reason });
    }
    return list;
  }
}
