import type { QuicheConnection } from './quiche-binding.js';

const READ_INTERVAL_MS = 10;

/** The congestion window as it was a moment ago: asking quiche costs an object for every path. */
export class CongestionWindow {
  #bytes = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly quiche: QuicheConnection) {}

  read(now: number): number {
    if (now - this.#readAtMs > READ_INTERVAL_MS) {
      this.#readAtMs = now;
      this.#bytes = this.quiche.pathStats()[0]?.cwnd ?? 0;
    }
    return this.#bytes;
  }
}
