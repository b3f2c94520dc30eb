import type { DeviceKey, IndexId } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ContentIndex, PeerWatermarks } from '../core/ports/content-index.js';
import { ReceiptTracker } from '../core/session/receipt-tracker.js';

export interface Unplaceable {
  readonly path: string;
  readonly reason: string;
}

export interface DurableReceipt {
  readonly indexId: IndexId;
  readonly sequence: number;
  readonly unplaceable: readonly Unplaceable[];
}

const NO_WATERMARKS: PeerWatermarks = {
  theirIndexId: undefined,
  theirsDurableHere: 0,
  ourIndexId: undefined,
  oursDurableThere: 0,
  unplaceableThere: [],
};

/**
 * Both directions of durability of one folder: what of each peer's index is durable here (told to them), and what of ours
 * is durable there (told by them). `wait` is answered from the second.
 */
export class FolderReceipts {
  private readonly theirs = new Map<
    DeviceKey,
    { indexId: IndexId; tracker: ReceiptTracker; sentSequence: number }
  >();
  private readonly ours = new Map<DeviceKey, PeerWatermarks>();
  /** Conflict copies that others' lost versions wait for, and whose. */
  private readonly awaitedCopies = new Map<RelativePath, Set<DeviceKey>>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly index: ContentIndex) {}

  /** A peer's index is being read from this sequence on: what came before is durable here. */
  follow(device: DeviceKey, indexId: IndexId, afterSequence: number): void {
    this.theirs.set(device, { indexId, tracker: new ReceiptTracker(afterSequence), sentSequence: -1 });
  }

  unfollow(device: DeviceKey): void {
    this.theirs.delete(device);
  }

  received(device: DeviceKey, path: RelativePath, sequence: number): void {
    this.theirs.get(device)?.tracker.received(path, sequence);
  }

  ended(device: DeviceKey, sequence: number): void {
    this.theirs.get(device)?.tracker.endedAt(sequence);
  }

  markUnplaceable(device: DeviceKey, path: RelativePath, reason: string): void {
    this.theirs.get(device)?.tracker.cannotPlace(path, reason);
  }

  /** This device cannot hold the path, ever: told to all who announced it, and not waited for. */
  unplaceable(path: RelativePath, reason: string): void {
    for (const { tracker } of this.theirs.values()) tracker.cannotPlace(path, reason);
  }

  /** The version of `path` that this device announced lost here, and waits for its copy. */
  awaitCopy(device: DeviceKey, path: RelativePath, sequence: number, copyPath: RelativePath): void {
    const tracker = this.theirs.get(device)?.tracker;
    if (tracker === undefined) return;
    tracker.received(copyPath, sequence);
    const devices = this.awaitedCopies.get(copyPath) ?? new Set();
    this.awaitedCopies.set(copyPath, devices.add(device));
  }

  /** What is known of this path stands here, flushed. */
  settled(path: RelativePath): void {
    this.awaitedCopies.delete(path);
    for (const { tracker } of this.theirs.values()) tracker.settled(path);
  }

  /** The receipt to send to this device, when there is a new one; it counts as sent. */
  takeDue(device: DeviceKey): DurableReceipt | undefined {
    const followed = this.theirs.get(device);
    if (followed === undefined) return undefined;
    const { durable, unplaceable } = followed.tracker;
    if (durable <= followed.sentSequence) return undefined;
    followed.sentSequence = durable;
    return { indexId: followed.indexId, sequence: durable, unplaceable };
  }

  deliveredFrom(device: DeviceKey): { indexId: IndexId; sequence: number } | undefined {
    const followed = this.theirs.get(device);
    return followed && { indexId: followed.indexId, sequence: followed.tracker.delivered };
  }

  /** Where to go on with a peer's index, as stored. */
  holding(device: DeviceKey): { indexId: IndexId; sequence: number } | undefined {
    const { theirIndexId, theirsDurableHere } = this.watermarks(device);
    return theirIndexId && { indexId: theirIndexId, sequence: theirsDurableHere };
  }

  /** A peer says what of ours is durable there. Receipts for another index of ours are ignored. */
  durableThere(device: DeviceKey, receipt: DurableReceipt): void {
    const { indexId, sequence } = this.index.identity();
    if (receipt.indexId !== indexId || receipt.sequence > sequence) return;
    const before = this.watermarks(device);
    if (before.ourIndexId === indexId && before.oursDurableThere > receipt.sequence) return;
    this.ours.set(device, {
      ...before,
      ourIndexId: indexId,
      oursDurableThere: receipt.sequence,
      unplaceableThere: receipt.unplaceable,
    });
    for (const listener of this.listeners) listener();
  }

  /** Up to which of our sequences this device durably holds everything. */
  durableSequenceOf(device: DeviceKey): number {
    const { ourIndexId, oursDurableThere } = this.watermarks(device);
    return ourIndexId === this.index.identity().indexId ? oursDurableThere : 0;
  }

  unplaceableAt(device: DeviceKey): readonly Unplaceable[] {
    return this.watermarks(device).unplaceableThere;
  }

  /** Called whenever a peer told of progress; the returned function ends it. */
  onProgress(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Stores the watermarks, so that a restart asks for nothing again. They may lag: that costs only repetition. */
  persist(): void {
    const devices = new Set([...this.theirs.keys(), ...this.ours.keys()]);
    if (devices.size === 0) return;
    this.index.transact((tx) => {
      for (const device of devices) {
        const followed = this.theirs.get(device);
        const merged: PeerWatermarks = {
          ...this.watermarks(device),
          ...(followed && { theirIndexId: followed.indexId, theirsDurableHere: followed.tracker.durable }),
        };
        this.ours.set(device, merged);
        tx.setPeer(device, merged);
      }
    });
  }

  forget(device: DeviceKey): void {
    this.theirs.delete(device);
    this.ours.delete(device);
    this.index.transact((tx) => tx.removePeer(device));
  }

  private watermarks(device: DeviceKey): PeerWatermarks {
    return this.ours.get(device) ?? this.index.peer(device) ?? NO_WATERMARKS;
  }
}
