import type { SendStream } from '@landropic/quic';
import type { SharedSlots } from './shared-slots.js';

interface InUse {
  readonly slot: SharedArrayBuffer;
  /** Bytes of the stream up to the last one of this slot. */
  readonly endsAt: number;
}

/** Slots whose bytes are on their way out on one stream: each is free again once the transport has taken its last byte. */
export class OutgoingSlots {
  private readonly inUse: InUse[] = [];
  private writtenBytes = 0;

  constructor(
    private readonly stream: Pick<SendStream, 'write' | 'bufferedBytes'>,
    private readonly slots: SharedSlots,
  ) {}

  take(): SharedArrayBuffer | undefined {
    this.reclaim();
    return this.slots.take();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.writtenBytes += bytes.length;
    await this.stream.write(bytes);
  }

  /** All that was in this slot has been written. */
  sent(slot: SharedArrayBuffer): void {
    this.inUse.push({ slot, endsAt: this.writtenBytes });
    this.reclaim();
  }

  /** The stream is over: what it still holds is never sent. */
  end(): void {
    for (const { slot } of this.inUse.splice(0)) this.slots.give(slot);
  }

  private reclaim(): void {
    const taken = this.writtenBytes - this.stream.bufferedBytes;
    while (this.inUse[0] !== undefined && this.inUse[0].endsAt <= taken) {
      const done = this.inUse.shift();
      if (done !== undefined) this.slots.give(done.slot);
    }
  }
}
