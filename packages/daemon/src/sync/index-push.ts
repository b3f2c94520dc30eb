import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import { batchEntries } from '../core/wire/batching.js';
import type { LinkedFolder } from './folder-link.js';
import type { FrameWriter } from './frame-writer.js';

export interface IndexPushDependencies {
  readonly folder: FolderId;
  readonly indexId: IndexId;
  readonly device: DeviceKey;
  readonly source: Pick<LinkedFolder, 'entriesToSend' | 'sequence'>;
  /** The index stream that this folder's entries travel on. */
  readonly writer: () => Promise<FrameWriter>;
  readonly onFailure: (error: unknown) => void;
}

const BATCH_ENTRIES = 2_000;

/** Sends one folder's entries to one device, from where that device is, as they come; never one of its own back. */
export class IndexPush {
  private sent: number;
  private running = false;
  private again = false;
  private stopped = false;
  private started = false;

  constructor(
    private readonly deps: IndexPushDependencies,
    private readonly afterSequence: number,
  ) {
    this.sent = afterSequence;
  }

  wake(): void {
    this.again = true;
    if (this.running || this.stopped) return;
    this.running = true;
    void this.run();
  }

  stop(): void {
    this.stopped = true;
  }

  private async run(): Promise<void> {
    try {
      while (this.again && !this.stopped) {
        this.again = false;
        await this.sendAll();
      }
    } catch (error) {
      this.stopped = true;
      this.deps.onFailure(error);
    } finally {
      this.running = false;
    }
  }

  private async sendAll(): Promise<void> {
    const { folder, indexId, device, source } = this.deps;
    const writer = await this.deps.writer();
    if (!this.started) {
      this.started = true;
      await writer.send({ type: 'indexStart', folder, indexId, afterSequence: this.afterSequence });
    }
    while (this.sent < source.sequence() && !this.stopped) {
      const upTo = source.sequence();
      const entries = source.entriesToSend(this.sent, BATCH_ENTRIES);
      const last = entries.at(-1)?.sequence ?? upTo;
      const news = entries.filter((entry) => entry.source !== device);
      for (const frame of batchEntries(folder, news))
        await writer.sendEncoded(frame.frameType, frame.payload);
      await writer.send({ type: 'indexEnd', folder, upToSequence: last });
      this.sent = last;
    }
  }
}
