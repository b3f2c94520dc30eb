import type { RelativePath } from '../model/relative-path.js';
import { Limits } from '../wire/limits.js';

export interface UnplaceableEntry {
  readonly path: RelativePath;
  readonly reason: string;
}

/** All unplaceable entries of a receipt have to fit into one frame, beside folder and sequence. */
const MAX_UNPLACEABLE_BYTES = Limits.receiptFrameBytes - 1024;
const BYTES_PER_ITEM = 16;
const MAX_REASON_CHARACTERS = 200;

/**
 * What of one peer's index has come here and is durable here, as two watermarks over its sequence numbers.
 *
 * 1. `delivered` is the largest sequence that was received or ended; entries come in ascending order.
 * 2. `durable` is as far as no entry is pending: each up to it was settled or is listed as unplaceable.
 * 3. A path that is announced again while it is pending keeps its earlier place: the watermark never passes an entry that
 *    neither stands here nor was followed by one that does.
 * 4. The list of unplaceable entries always fits its frame. What does not fit stays pending, and the watermark before it.
 *
 * Pending paths are kept in the order in which they came, so the first of them is the watermark: constant time each.
 */
export class ReceiptTracker {
  private readonly pending = new Map<RelativePath, number>();
  private readonly listed = new Map<RelativePath, { readonly reason: string; readonly bytes: number }>();
  /** Unplaceable entries that found no room in the list; they are pending as well. */
  private readonly unlisted = new Map<RelativePath, string>();
  private listedBytes = 0;
  private reached: number;

  /** Everything up to `afterSequence` is durable already. */
  constructor(afterSequence: number) {
    this.reached = afterSequence;
  }

  get delivered(): number {
    return this.reached;
  }

  get durable(): number {
    for (const sequence of this.pending.values()) return sequence - 1;
    return this.reached;
  }

  get unplaceable(): readonly UnplaceableEntry[] {
    return [...this.listed].map(([path, { reason }]) => ({ path, reason }));
  }

  get pendingCount(): number {
    return this.pending.size;
  }

  /** An entry came and was stored. `sequence` is not below that of any earlier call. */
  received(path: RelativePath, sequence: number): void {
    if (sequence < this.reached && this.pending.size > 0) {
      throw new RangeError(`sequence ${sequence} after ${this.reached}`);
    }
    this.reached = Math.max(this.reached, sequence);
    this.unlist(path);
    this.unlisted.delete(path);
    if (!this.pending.has(path)) this.pending.set(path, sequence);
  }

  /** What is known of this path stands here, flushed. */
  settled(path: RelativePath): void {
    this.pending.delete(path);
    this.unlisted.delete(path);
    this.unlist(path);
  }

  /** The entry cannot be placed here: the watermark passes it, and the receipt names it. */
  cannotPlace(path: RelativePath, reason: string): void {
    const short = [...reason].slice(0, MAX_REASON_CHARACTERS).join('');
    if (this.listed.has(path)) this.unlist(path);
    else if (!this.pending.has(path)) return;
    if (this.list(path, short)) this.pending.delete(path);
    else this.unlisted.set(path, short);
  }

  /** All entries up to here were received, whether or not there is one of that very number. */
  endedAt(sequence: number): void {
    this.reached = Math.max(this.reached, sequence);
  }

  private list(path: RelativePath, reason: string): boolean {
    // Three bytes a unit is the most that UTF-8 takes; a frame that is not quite full does no harm.
    const bytes = 3 * (path.length + reason.length) + BYTES_PER_ITEM;
    const isFull = this.listed.size >= Limits.unplaceablePerReceipt;
    if (isFull || this.listedBytes + bytes > MAX_UNPLACEABLE_BYTES) return false;
    this.listed.set(path, { reason, bytes });
    this.listedBytes += bytes;
    return true;
  }

  private unlist(path: RelativePath): void {
    const item = this.listed.get(path);
    if (item === undefined) return;
    this.listed.delete(path);
    this.listedBytes -= item.bytes;
    for (const [waiting, reason] of this.unlisted) {
      if (!this.list(waiting, reason)) return;
      this.unlisted.delete(waiting);
      this.pending.delete(waiting);
    }
  }
}
