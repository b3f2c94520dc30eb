import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import { batchEntries } from '../core/wire/batching.js';
import type { LinkedFolder } from './folder-link.js';
import type { FrameWriter } from './frame-writer.js';
import type { PushGate } from './push-gate.js';

export interface IndexPushDependencies {
  readonly folder: FolderId;
  readonly indexId: IndexId;
  readonly device: DeviceKey;
  readonly source: Pick<LinkedFolder, 'entriesToSend' | 'sequence'>;
  /** The index stream for what comes next of this folder. It may be another than the last time: then the folder moves. */
  readonly stream: () => Promise<FrameWriter>;
  readonly gate: PushGate;
  /** So many entries went out that were not there when the push began, `own` of them made on this device. */
  readonly onUpdated: (entries: number, own: number) => void;
  readonly onFailure: (error: unknown) => void;
}

const BATCH_ENTRIES = 2_000;

/**
 * Sends one folder's entries to one device, from where that device is, as they come; never one of its own back.
 *
 * 1. On every stream IndexStart(after N) comes first, where N is what the last IndexEnd said, and after it at least one
 *    entry or IndexEnd before the folder moves again: so the receiver can tell the order of streams that overtake each other.
 * 2. Once stopped, nothing more is written: another push of the same folder may follow on the same stream.
 */
export class IndexPush {
  private sent: number;
  /** What came after this is an update. */
  private readonly baseline: number;
  private current: FrameWriter | undefined;
  private running = false;
  private again = false;
  private stopped = false;

  constructor(
    private readonly deps: IndexPushDependencies,
    afterSequence: number,
  ) {
    this.sent = afterSequence;
    this.baseline = deps.source.sequence();
  }

  wake(): void {
    this.again = true;
    if (this.running || this.stopped) return;
    this.running = true;
    void this.run();
  }

  stop(): void {
    this.stopped = true;
    this.deps.gate.wake();
  }

  private async run(): Promise<void> {
    try {
      while (this.again && !this.stopped) {
        this.again = false;
        await this.sendAll();
      }
    } catch (error) {
      const wasStopped = this.stopped;
      this.stopped = true;
      if (!wasStopped) this.deps.onFailure(error);
    } finally {
      this.running = false;
    }
  }

  private async sendAll(): Promise<void> {
    const { source, gate, folder } = this.deps;
    // Asked for also when nothing goes out: a folder that has become quiet gives its own stream back.
    const stream = await this.deps.stream();
    if (this.current === undefined) await this.startOn(stream);
    while (this.sent < source.sequence() && !this.stopped) {
      const room = await gate.admit(folder, () => this.stopped);
      if (room < 1) return;
      const writer = await this.deps.stream();
      if (this.stopped) return;
      if (writer !== this.current) await this.startOn(writer);
      await this.sendBatch(writer, Math.min(BATCH_ENTRIES, room));
    }
  }

  private async startOn(writer: FrameWriter): Promise<void> {
    if (this.stopped) return;
    const { folder, indexId } = this.deps;
    this.current = writer;
    await writer.send({ type: 'indexStart', folder, indexId, afterSequence: this.sent });
  }

  private async sendBatch(writer: FrameWriter, limit: number): Promise<void> {
    const { folder, device, source, gate } = this.deps;
    if (this.stopped) return;
    const upTo = source.sequence();
    const entries = source.entriesToSend(this.sent, limit);
    const last = entries.at(-1)?.sequence ?? upTo;
    const news = entries.filter((entry) => entry.source !== device);
    gate.sent(news.length);
    for (const frame of batchEntries(folder, news)) {
      await writer.sendEncoded(frame.frameType, frame.payload);
      if (this.stopped) return;
    }
    await writer.send({ type: 'indexEnd', folder, upToSequence: last });
    this.sent = last;
    const updates = news.filter(({ sequence }) => sequence > this.baseline);
    if (updates.length > 0)
      this.deps.onUpdated(updates.length, updates.filter((entry) => entry.source === undefined).length);
  }
}
