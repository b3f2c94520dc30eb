import type { QuicheConnection } from '../quiche-binding.js';

const READ_INTERVAL_MS = 10;

/** What quiche knows of the path in use. */
export interface PathFigures {
  readonly cwnd: number;
  readonly sentBytes: number;
  readonly lostBytes: number;
}

const NONE: PathFigures = { cwnd: 0, sentBytes: 0, lostBytes: 0 };

/** The congestion window as it was a moment ago: asking quiche costs an object for every path. */
export class CongestionWindow {
  #figures = NONE;
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly quiche: QuicheConnection) {}

  read(now: number): number {
    return now - this.#readAtMs > READ_INTERVAL_MS ? this.readFigures(now).cwnd : this.#figures.cwnd;
  }

  readFigures(now: number): PathFigures {
    this.#readAtMs = now;
    const paths = this.quiche.pathStats();
    this.#figures = paths.find((path) => path.active) ?? paths[0] ?? NONE;
    return this.#figures;
  }
}
