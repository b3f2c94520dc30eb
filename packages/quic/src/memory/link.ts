import type { VirtualClock } from './virtual-clock.js';

/** How one direction between two hosts behaves. */
export interface LinkConditions {
  /** One way, ms. */
  readonly latencyMs: number;
  /** Added to the latency: up to this much, at random. */
  readonly jitterMs: number;
  /** Probability that a transmission is lost; the transport repeats it, so loss shows as delay. */
  readonly lossRate: number;
  /** Infinity for a link that is never full. */
  readonly bytesPerSecond: number;
}

/** What keeps its order: the segments of one stream. Different lanes overtake each other under loss, as in QUIC. */
export interface Lane {
  arrivesAtMs: number;
}

export function createLane(): Lane {
  return { arrivesAtMs: 0 };
}

/** One direction between two addresses. */
export class Link {
  #busyUntilMs = 0;
  #isCut = false;
  #held: (() => void)[] = [];

  constructor(
    private readonly clock: VirtualClock,
    private readonly random: () => number,
    public conditions: LinkConditions,
  ) {}

  get isCut(): boolean {
    return this.#isCut;
  }

  /** How long the link is busy with what it was given already. */
  get backlogMs(): number {
    return Math.max(0, this.#busyUntilMs - this.clock.now());
  }

  transmit(lane: Lane, sizeBytes: number, deliver: () => void): void {
    const { latencyMs, jitterMs, lossRate, bytesPerSecond } = this.conditions;
    const now = this.clock.now();
    this.#busyUntilMs = Math.max(now, this.#busyUntilMs) + (sizeBytes / bytesPerSecond) * 1_000;
    let arrivesAtMs = this.#busyUntilMs + latencyMs + this.random() * jitterMs;
    // A repeat goes out when the acknowledgement is overdue.
    for (let repeats = 0; repeats < MAX_REPEATS && this.random() < lossRate; repeats++) {
      arrivesAtMs += 2 * latencyMs + MIN_REPEAT_DELAY_MS;
    }
    lane.arrivesAtMs = Math.max(arrivesAtMs, lane.arrivesAtMs);
    this.clock.schedule(lane.arrivesAtMs - now, () => this.#arrive(deliver));
  }

  /** What is not repeated: it may be lost, and is while the link is cut. */
  transmitOnce(sizeBytes: number, deliver: () => void): void {
    const { latencyMs, jitterMs, lossRate, bytesPerSecond } = this.conditions;
    const now = this.clock.now();
    this.#busyUntilMs = Math.max(now, this.#busyUntilMs) + (sizeBytes / bytesPerSecond) * 1_000;
    const arrivesAtMs = this.#busyUntilMs + latencyMs + this.random() * jitterMs;
    if (this.random() < lossRate) return;
    this.clock.schedule(arrivesAtMs - now, () => {
      if (!this.#isCut) deliver();
    });
  }

  /** Nothing gets through from now on; what was under way is repeated when the link is mended. */
  cut(): void {
    this.#isCut = true;
  }

  mend(): void {
    if (!this.#isCut) return;
    this.#isCut = false;
    const held = this.#held;
    this.#held = [];
    this.clock.schedule(this.conditions.latencyMs + MIN_REPEAT_DELAY_MS, () => {
      for (const deliver of held) this.#arrive(deliver);
    });
  }

  #arrive(deliver: () => void): void {
    if (this.#isCut) this.#held.push(deliver);
    else deliver();
  }
}

const MIN_REPEAT_DELAY_MS = 1;
const MAX_REPEATS = 20;
