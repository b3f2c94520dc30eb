import type { DeviceKey, IndexId } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ContentIndex, PeerWatermarks } from '../core/ports/content-index.js';
import { ReceiptTracker } from '../core/session/receipt-tracker.js';
import { isSettled } from './held-state.js';

/** Paths whose absence here outlives a session, and so has to be told again in the next. */
const MAX_NOT_HERE = 10_000;
const LOOKED_AT_AGAIN = 100;

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

interface NotHere {
  readonly reason: string;
  /** The version was adopted and cannot be placed; otherwise it was not even adopted. */
  readonly isKnown: boolean;
}

/** The index of a peer as it is being received. */
interface Followed {
  readonly indexId: IndexId;
  readonly tracker: ReceiptTracker;
  /** What the last receipt said; undefined before the first. */
  sent: { readonly sequence: number; readonly unplaceable: readonly Unplaceable[] } | undefined;
}

/**
 * Both directions of durability of one folder: what of each peer's index is durable here (told to them), and what of ours
 * is durable there (told by them). `wait` is answered from the second.
 */
export class FolderReceipts {
  private readonly theirs = new Map<DeviceKey, Followed>();
  private readonly ours = new Map<DeviceKey, PeerWatermarks>();
  /** What the index has stored of each, so that nothing is written while nothing changes. */
  private readonly stored = new Map<DeviceKey, PeerWatermarks>();
  /** What cannot stand here, and why. The watermark has passed it, so a peer that comes back does not announce it again. */
  private readonly notHere: Map<RelativePath, NotHere>;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly index: ContentIndex) {
    this.notHere = new Map(
      index
        .problems(MAX_NOT_HERE)
        .filter(({ code }) => code === 'unplaceable' || code === 'implausible-version')
        .map(({ path, code, text }) => [
          path as RelativePath,
          { reason: text, isKnown: code === 'unplaceable' },
        ]),
    );
  }

  /** A peer's index is being read from this sequence on: what came before is durable here, or listed as unplaceable. */
  follow(device: DeviceKey, indexId: IndexId, afterSequence: number): void {
    const tracker = new ReceiptTracker(afterSequence);
    for (const [path, { reason }] of this.notHere) {
      tracker.received(path, afterSequence);
      tracker.cannotPlace(path, reason);
    }
    this.theirs.set(device, { indexId, tracker, sent: undefined });
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

  /** The version that this device announced is not adopted here. */
  markUnplaceable(device: DeviceKey, path: RelativePath, reason: string): void {
    this.remember(path, { reason, isKnown: false });
    this.theirs.get(device)?.tracker.cannotPlace(path, reason);
  }

  /** This device cannot hold the path, ever: told to all who announced it, and not waited for. */
  unplaceable(path: RelativePath, reason: string): void {
    this.remember(path, { reason, isKnown: true });
    for (const { tracker } of this.theirs.values()) tracker.cannotPlace(path, reason);
  }

  /** The version of `path` that this device announced lost here, and waits for its copy. */
  awaitCopy(device: DeviceKey, sequence: number, copyPath: RelativePath): void {
    this.theirs.get(device)?.tracker.received(copyPath, sequence);
  }

  /** What was announced of this path lost to a version made here, and is durable once its copy at `copyPath` is. */
  awaitCopyOf(path: RelativePath, copyPath: RelativePath): void {
    for (const { tracker } of this.theirs.values()) tracker.moved(path, copyPath);
  }

  /** What is known of this path stands here, flushed. */
  settled(path: RelativePath): void {
    this.notHere.delete(path);
    for (const { tracker } of this.theirs.values()) tracker.settled(path);
  }

  /** What this device announced and is not durable here, in paths. */
  pendingOf(device: DeviceKey): number {
    return this.theirs.get(device)?.tracker.pendingCount ?? 0;
  }

  /** The receipt to send to this device, when there is a new one; it counts as sent. */
  takeDue(device: DeviceKey): DurableReceipt | undefined {
    const followed = this.theirs.get(device);
    if (followed === undefined) return undefined;
    const { durable: sequence, unplaceable } = followed.tracker;
    const { sent } = followed;
    if (sent !== undefined && sequence <= sent.sequence && sameList(sent.unplaceable, unplaceable))
      return undefined;
    followed.sent = { sequence, unplaceable };
    return { indexId: followed.indexId, sequence, unplaceable };
  }

  /** Where to go on with a peer's index, as stored. */
  holding(device: DeviceKey): { indexId: IndexId; sequence: number } | undefined {
    const { theirIndexId, theirsDurableHere } = this.watermarks(device);
    return theirIndexId && { indexId: theirIndexId, sequence: theirsDurableHere };
  }

  /**
   * A peer says what of ours is durable there. Receipts for another index of ours are ignored. One that says less than
   * the last is believed: that device lost its index, or what it had not stored yet.
   */
  durableThere(device: DeviceKey, receipt: DurableReceipt): void {
    const { indexId, sequence } = this.index.identity();
    if (receipt.indexId !== indexId || receipt.sequence > sequence) return;
    this.ours.set(device, {
      ...this.watermarks(device),
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

  /** Stores the watermarks that changed, so that a restart asks for nothing again. They may lag: that costs only repetition. */
  persist(): void {
    this.lookAgain();
    const changed = new Map<DeviceKey, PeerWatermarks>();
    for (const device of new Set([...this.theirs.keys(), ...this.ours.keys()])) {
      const followed = this.theirs.get(device);
      const now: PeerWatermarks = {
        ...this.watermarks(device),
        ...(followed && { theirIndexId: followed.indexId, theirsDurableHere: followed.tracker.durable }),
      };
      if (!sameWatermarks(this.stored.get(device) ?? this.index.peer(device), now)) changed.set(device, now);
    }
    if (changed.size === 0) return;
    this.index.transact((tx) => {
      for (const [device, watermarks] of changed) tx.setPeer(device, watermarks);
    });
    for (const [device, watermarks] of changed) {
      this.ours.set(device, watermarks);
      this.stored.set(device, watermarks);
    }
  }

  forget(device: DeviceKey): void {
    this.theirs.delete(device);
    this.ours.delete(device);
    this.stored.delete(device);
    this.index.transact((tx) => tx.removePeer(device));
  }

  private watermarks(device: DeviceKey): PeerWatermarks {
    return this.ours.get(device) ?? this.index.peer(device) ?? NO_WATERMARKS;
  }

  private remember(path: RelativePath, why: NotHere): void {
    if (this.notHere.size < MAX_NOT_HERE) this.notHere.set(path, why);
  }

  /** A person may have made room: what stands now as it is known is no longer missing. A few at a time, in turn. */
  private lookAgain(): void {
    for (const [path, why] of [...this.notHere].slice(0, LOOKED_AT_AGAIN)) {
      this.notHere.delete(path);
      if (why.isKnown && isSettled(this.index.get(path))) this.settled(path);
      else this.notHere.set(path, why);
    }
  }
}

function sameList(a: readonly Unplaceable[], b: readonly Unplaceable[]): boolean {
  return (
    a === b ||
    (a.length === b.length &&
      a.every(({ path, reason }, i) => path === b[i]?.path && reason === b[i]?.reason))
  );
}

function sameWatermarks(a: PeerWatermarks | undefined, b: PeerWatermarks): boolean {
  return (
    a !== undefined &&
    a.theirIndexId === b.theirIndexId &&
    a.theirsDurableHere === b.theirsDurableHere &&
    a.ourIndexId === b.ourIndexId &&
    a.oursDurableThere === b.oursDurableThere &&
    sameList(a.unplaceableThere, b.unplaceableThere)
  );
}
