import type { Throttle } from './throttle-pace.js';

export interface OverloadOptions {
  /** Entries received and not durable here, above which the peer is asked to slow down. Default 200,000. */
  readonly maxPending?: number;
  /** Entries below which it may go on as it likes. Default half of that. */
  readonly lowPending?: number;
  /** The least that is asked for, per second: what would make room may be among what waits. Default 100. */
  readonly minEntriesPerSecond?: number;
  /** For how long at a time. Default 10,000; at most 60,000. */
  readonly forMs?: number;
}

/** At which pace things drain is known once they were looked at for this long. */
const MEASURE_MS = 1_000;

/**
 * Decides when the receiver of an index asks its sender to slow down, and by how much.
 *
 * 1. Nothing is asked while no more than `maxPending` are pending, and nothing was asked before.
 * 2. What is asked is below the pace at which entries become durable here, so that what is pending grows less; it is
 *    never below `minEntriesPerSecond`.
 * 3. While more than `lowPending` are pending it is asked again before the last time runs out, and not more often than
 *    twice in that time.
 * 4. Once no more than `lowPending` are pending, what was asked is lifted, once.
 */
export class OverloadPolicy {
  private readonly maxPending: number;
  private readonly lowPending: number;
  private readonly minEntriesPerSecond: number;
  private readonly forMs: number;
  private received = 0;
  private measured: { readonly atMs: number; readonly settled: number } | undefined;
  private drainPerSecond = 0;
  /** When the last Throttle was sent; undefined while none is in force. */
  private askedMs: number | undefined;

  constructor(options: OverloadOptions = {}) {
    this.maxPending = options.maxPending ?? 200_000;
    this.lowPending = options.lowPending ?? this.maxPending / 2;
    this.minEntriesPerSecond = options.minEntriesPerSecond ?? 100;
    this.forMs = options.forMs ?? 10_000;
  }

  /** A Throttle is in force: {@link decide} wants to be asked again by then. */
  get nextCheckMs(): number | undefined {
    return this.askedMs === undefined ? undefined : this.askedMs + this.forMs / 2;
  }

  countReceived(entries: number): void {
    this.received += entries;
  }

  /** The Throttle to send now, given how many entries are pending. */
  decide(pending: number, nowMs: number): Throttle | undefined {
    this.measure(pending, nowMs);
    if (this.askedMs === undefined) return pending > this.maxPending ? this.ask(nowMs) : undefined;
    if (pending <= this.lowPending) {
      this.askedMs = undefined;
      return { entriesPerSecond: this.pace(), forMs: 0 };
    }
    return nowMs - this.askedMs >= this.forMs / 2 ? this.ask(nowMs) : undefined;
  }

  private ask(nowMs: number): Throttle {
    this.askedMs = nowMs;
    return { entriesPerSecond: this.pace(), forMs: this.forMs };
  }

  private pace(): number {
    return Math.max(this.minEntriesPerSecond, Math.floor(this.drainPerSecond / 2));
  }

  private measure(pending: number, nowMs: number): void {
    const settled = this.received - pending;
    const { measured } = this;
    if (measured === undefined) this.measured = { atMs: nowMs, settled };
    else if (nowMs - measured.atMs >= MEASURE_MS) {
      const drained = Math.max(0, settled - measured.settled);
      this.drainPerSecond = (drained * 1000) / (nowMs - measured.atMs);
      this.measured = { atMs: nowMs, settled };
    }
  }
}
