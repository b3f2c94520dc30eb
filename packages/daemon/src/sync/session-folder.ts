import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { IndexReceiver } from '../core/session/index-receiver.js';
import type { FolderState, Frame, FrameOf } from '../core/wire/frames.js';
import type { ChunkSupplier } from './content-fetch.js';
import type { FolderLink, LinkedFolder } from './folder-link.js';
import type { FrameWriter } from './frame-writer.js';
import { IndexPush } from './index-push.js';

export interface SessionFolderDependencies {
  readonly device: DeviceKey;
  readonly folder: LinkedFolder;
  readonly supplier: ChunkSupplier;
  readonly indexWriter: () => Promise<FrameWriter>;
  readonly receiptWriter: () => Promise<FrameWriter>;
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
}

/** Receipts are gathered for this long: one says as much as many. */
const RECEIPT_DELAY_MS = 5;

/** One folder that both sides of a session share: entries out and in, receipts out and in. */
export class SessionFolder {
  private readonly push: IndexPush;
  private readonly receiver: IndexReceiver;
  private readonly link: FolderLink;
  private cancelReceipts: (() => void) | undefined;
  private receiptWanted = false;
  private isSendingReceipt = false;
  private stopped = false;

  constructor(
    private readonly deps: SessionFolderDependencies,
    private readonly states: { readonly ours: FolderState; readonly theirs: FolderState },
  ) {
    const { ours, theirs } = states;
    this.push = new IndexPush(
      {
        folder: ours.folder,
        indexId: ours.indexId,
        device: deps.device,
        source: deps.folder,
        writer: deps.indexWriter,
        onFailure: deps.onFailure,
      },
      resumePoint(ours, theirs),
    );
    this.receiver = new IndexReceiver({
      folder: theirs.folder,
      indexId: theirs.indexId,
      afterSequence: resumePoint(theirs, ours),
    });
    this.link = {
      device: deps.device,
      request: (folder, chunks, reply) => deps.supplier.request(folder, chunks, reply),
      wakePush: () => this.push.wake(),
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
    this.cancelReceipts?.();
    this.deps.folder.disconnect(this.link);
  }

  /** Throws WireError when the frames are not in the order that the protocol asks for. */
  takeIndex(frame: Frame): void {
    if (this.stopped) return;
    const { entries, endedAt } = this.receiver.handle(frame);
    if (entries.length > 0) this.deps.folder.receive(this.deps.device, this.states.theirs.indexId, entries);
    if (endedAt !== undefined) this.deps.folder.ended(this.deps.device, endedAt);
  }

  durableThere(receipt: FrameOf<'durable'>): void {
    this.deps.folder.durableThere(this.deps.device, receipt);
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
        const due = this.deps.folder.takeDueReceipt(this.deps.device);
        if (due !== undefined)
          await writer.send({ type: 'durable', folder: this.states.ours.folder, ...due });
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
