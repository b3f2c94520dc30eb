import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import type { ChunkPartsBudget } from '../core/session/chunk-parts.js';
import { IndexReceiver } from '../core/session/index-receiver.js';
import type { FolderState, Frame, FrameOf } from '../core/wire/frames.js';
import { WireError } from '../core/wire/wire-error.js';
import type { ChunkSupplier } from './content-fetch.js';
import type { FolderLink, LinkedFolder } from './folder-link.js';
import type { FrameWriter } from './frame-writer.js';
import { IndexPush, type IndexPushDependencies } from './index-push.js';

export interface SessionFolderDependencies {
  readonly device: DeviceKey;
  readonly folder: LinkedFolder;
  readonly supplier: ChunkSupplier;
  /** False once either side takes its leave: nothing more is asked of the peer. */
  readonly mayAsk: () => boolean;
  readonly push: Pick<IndexPushDependencies, 'stream' | 'gate' | 'onUpdated'>;
  readonly receiptWriter: () => Promise<FrameWriter>;
  readonly clock: Clock;
  /** Of all folders of this peer. */
  readonly partsBudget: ChunkPartsBudget;
  /** Our index of the folder has more than before. */
  readonly onChanged: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** Receipts are gathered for this long: one says as much as many. */
const RECEIPT_DELAY_MS = 5;
/** A folder that moved waits for its old stream for as long as that goes on, and then this long. */
const HOLD_MS = 60_000;
/** A sender moves a folder at most once in 60 s; what it took long to deliver may come all at once. */
const MAX_STARTS = 10;
const STARTS_MS = 60_000;

/** One folder that both sides of a session share: entries out and in, receipts out and in. */
export class SessionFolder {
  private readonly push: IndexPush;
  private readonly receiver: IndexReceiver;
  private readonly link: FolderLink;
  private cancelReceipts: (() => void) | undefined;
  private receiptWanted = false;
  private isSendingReceipt = false;
  /** Up to where the peer's entries have come, and what was told of it. */
  private delivered: number;
  private saidDelivered: number;
  private toldDelivered = 0;
  private changedAt: number;
  private asked = 0;
  private lastProgressMs: number;
  private startsMs: readonly number[] = [];
  /** Streams whose start is held. */
  private readonly held = new Set<() => void>();
  private stopped = false;

  constructor(
    private readonly deps: SessionFolderDependencies,
    private readonly states: { readonly ours: FolderState; readonly theirs: FolderState },
  ) {
    const { ours, theirs } = states;
    this.delivered = resumePoint(theirs, ours);
    this.saidDelivered = this.delivered;
    this.changedAt = deps.folder.sequence();
    this.lastProgressMs = deps.clock.monotonicMs();
    this.push = new IndexPush(
      {
        folder: ours.folder,
        indexId: ours.indexId,
        device: deps.device,
        source: deps.folder,
        ...deps.push,
        onFailure: deps.onFailure,
      },
      resumePoint(ours, theirs),
    );
    this.receiver = new IndexReceiver(
      { folder: theirs.folder, indexId: theirs.indexId, afterSequence: resumePoint(theirs, ours) },
      deps.partsBudget,
    );
    this.link = {
      device: deps.device,
      request: (...request) => this.request(...request),
      wakePush: () => {
        this.push.wake();
        if (deps.folder.sequence() > this.changedAt) this.changed();
      },
      wakeReceipts: () => this.scheduleReceipt(),
    };
  }

  start(): void {
    const { ours, theirs } = this.states;
    this.deps.folder.connect(this.link, {
      indexId: theirs.indexId,
      afterSequence: resumePoint(theirs, ours),
    });
    this.push.wake();
    this.scheduleReceipt();
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.push.stop();
    this.receiver.stop();
    for (const resume of [...this.held]) resume();
    this.cancelReceipts?.();
    this.deps.folder.disconnect(this.link);
  }

  get sequence(): number {
    return this.deps.folder.sequence();
  }

  /** Requests of chunks that are not answered whole. */
  get requestsUnderWay(): number {
    return this.asked;
  }

  /** Entries received and not durable here. */
  get pending(): number {
    return this.deps.folder.pending(this.deps.device);
  }

  /** Up to which of our sequences the peer has stored the entries, as it said. */
  get deliveredThere(): number {
    return this.toldDelivered;
  }

  wakePush(): void {
    this.push.wake();
  }

  /**
   * Resolves when more of that stream may be taken: at once, unless the folder moves to it and its old stream is not read
   * that far. Rejects with WireError when the frames are not in the order that the protocol asks for.
   */
  async takeIndex(frame: Frame, stream: number): Promise<void> {
    if (this.stopped) return;
    if (frame.type === 'indexStart') this.countStart();
    const { entries, endedAt, isHeld } = this.receiver.handle(frame, stream);
    this.lastProgressMs = this.deps.clock.monotonicMs();
    if (entries.length > 0) this.deps.folder.receive(this.deps.device, this.states.theirs.indexId, entries);
    if (endedAt !== undefined) {
      this.delivered = endedAt;
      this.deps.folder.ended(this.deps.device, endedAt);
      for (const resume of [...this.held]) resume();
    }
    if (isHeld) await this.untilReleased(stream);
  }

  private async untilReleased(stream: number): Promise<void> {
    while (!this.stopped && this.receiver.isHeld(stream)) {
      const patienceMs = this.lastProgressMs + HOLD_MS - this.deps.clock.monotonicMs();
      if (patienceMs <= 0)
        throw new WireError('malformed', 'an index frame is out of order: it leaves a gap');
      await new Promise<void>((resolve) => {
        const resume = () => {
          cancel();
          this.held.delete(resume);
          resolve();
        };
        const cancel = this.deps.clock.after(patienceMs, resume);
        this.held.add(resume);
      });
    }
  }

  /** Starting over costs the sender nothing: it may not do so without end. */
  private countStart(): void {
    const nowMs = this.deps.clock.monotonicMs();
    this.startsMs = [...this.startsMs.filter((atMs) => nowMs - atMs < STARTS_MS), nowMs];
    if (this.startsMs.length > MAX_STARTS)
      throw new WireError('limit-exceeded', 'a folder moves between streams without end');
  }

  deliveredThereUpTo(receipt: FrameOf<'delivered'>): void {
    if (receipt.indexId === this.states.ours.indexId)
      this.toldDelivered = Math.max(this.toldDelivered, receipt.sequence);
  }

  durableThere(receipt: FrameOf<'durable'>): void {
    this.deps.folder.durableThere(this.deps.device, receipt);
  }

  private changed(): void {
    this.changedAt = this.deps.folder.sequence();
    this.deps.onChanged();
  }

  /** What is not to be asked any more counts as missing: it is asked of others, and of this peer when it comes back. */
  private request(...[folder, chunks, reply, signal]: Parameters<ChunkSupplier['request']>): void {
    if (!this.deps.mayAsk()) {
      for (const index of chunks.keys()) reply.missing(index);
      return;
    }
    let left = chunks.length;
    const answered = () => {
      if (--left === 0) this.asked--;
    };
    this.asked++;
    signal?.addEventListener(
      'abort',
      () => {
        if (left > 0) this.asked--;
        left = 0;
      },
      { once: true },
    );
    const counted: typeof reply = {
      chunk: (index, bytes, release) => {
        answered();
        reply.chunk(index, bytes, release);
      },
      missing: (index) => {
        answered();
        reply.missing(index);
      },
    };
    this.deps.supplier.request(folder, chunks, counted, signal);
  }

  private scheduleReceipt(): void {
    if (this.cancelReceipts !== undefined || this.stopped) return;
    this.cancelReceipts = this.deps.clock.after(RECEIPT_DELAY_MS, () => {
      this.cancelReceipts = undefined;
      void this.sendReceipt();
    });
  }

  /** One at a time: where the peer does not read them, the latest is sent once it does. */
  private async sendReceipt(): Promise<void> {
    this.receiptWanted = true;
    if (this.isSendingReceipt) return;
    this.isSendingReceipt = true;
    try {
      const writer = await this.deps.receiptWriter();
      while (this.receiptWanted && !this.stopped) {
        this.receiptWanted = false;
        const { folder } = this.states.ours;
        const due = this.deps.folder.takeDueReceipt(this.deps.device);
        // What is durable was delivered, too.
        if (due !== undefined) {
          this.saidDelivered = Math.max(this.saidDelivered, due.sequence);
          await writer.send({ type: 'durable', folder, ...due });
        }
        if (this.delivered > this.saidDelivered) {
          const { indexId } = this.states.theirs;
          this.saidDelivered = this.delivered;
          await writer.send({ type: 'delivered', folder, indexId, sequence: this.delivered });
        }
      }
    } catch (error) {
      this.deps.onFailure(error);
    } finally {
      this.isSendingReceipt = false;
    }
  }
}

/** After which sequence of `sender` its entries are sent: from where the other side durably is, in that same index. */
function resumePoint(sender: FolderState, receiver: FolderState): number {
  const { holding } = receiver;
  return holding?.indexId === sender.indexId && holding.sequence <= sender.sequence ? holding.sequence : 0;
}
