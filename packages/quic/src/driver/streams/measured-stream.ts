import type { StreamStats } from '../../transport.js';
import { QuicStream } from './stream.js';

/** A stream that knows its figures: quiche keeps none per stream. Counts once per offer, not per packet. */
export class MeasuredStream extends QuicStream {
  readonly #openedAtMs = performance.now();
  #sentBytes = 0;

  override offer(limitBytes: number, reserveBytes: number): number {
    const taken = super.offer(limitBytes, reserveBytes);
    if (taken > 0) this.#sentBytes += taken;
    return taken;
  }

  stats(now: number): StreamStats {
    return {
      id: this.id,
      kind: this.kind,
      openedBy: this.initiator,
      urgency: this.urgency,
      ageMs: now - this.#openedAtMs,
      bytesIn: this.readBytes,
      bytesOut: this.#sentBytes,
      bufferedBytes: this.bufferedBytes,
    };
  }
}
