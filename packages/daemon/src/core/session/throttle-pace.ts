import { Limits } from '../wire/limits.js';

export interface Throttle {
  readonly entriesPerSecond: number;
  /** 0 lifts what was asked before. */
  readonly forMs: number;
}

/**
 * How fast entries may go out to one peer. Time comes in, on a clock that never goes backwards.
 *
 * 1. Unless the peer asked for less, anything may go out at once.
 * 2. Asked for `r` entries a second, at most `r · t / 1000` have gone out `t` ms later, one second's worth at once.
 * 3. What was asked ends by itself: 60 s after the last Throttle nothing of it is left, whatever it said.
 */
export class ThrottlePace {
  private entriesPerSecond = 0;
  private untilMs = Number.NEGATIVE_INFINITY;
  private allowance = 0;
  private lastMs = 0;

  /** The peer asks for a slower push, or for another pace than before. */
  ask({ entriesPerSecond, forMs }: Throttle, nowMs: number): void {
    const isRenewed = this.isThrottled(nowMs);
    this.refill(nowMs);
    this.entriesPerSecond = entriesPerSecond;
    this.untilMs = nowMs + Math.min(forMs, Limits.throttleMs);
    // Asking again and again gives no more than asking once.
    this.allowance = isRenewed ? Math.min(this.allowance, entriesPerSecond) : 0;
    this.lastMs = nowMs;
  }

  isThrottled(nowMs: number): boolean {
    return nowMs < this.untilMs;
  }

  /** How many entries may go out now; infinite while the peer asked for nothing. */
  allowed(nowMs: number): number {
    if (!this.isThrottled(nowMs)) return Number.POSITIVE_INFINITY;
    this.refill(nowMs);
    return Math.floor(this.allowance);
  }

  sent(entries: number, nowMs: number): void {
    if (this.isThrottled(nowMs)) this.allowance -= entries;
  }

  /** How long to wait until so many entries may go out, at most a second's worth; 0 when they may now. */
  waitMs(nowMs: number, entries = 1): number {
    const wanted = Math.max(1, Math.min(entries, this.entriesPerSecond));
    if (this.allowed(nowMs) >= wanted) return 0;
    const leftMs = this.untilMs - nowMs;
    if (this.entriesPerSecond === 0) return leftMs;
    return Math.min(leftMs, Math.ceil(((wanted - this.allowance) * 1000) / this.entriesPerSecond));
  }

  private refill(nowMs: number): void {
    const earned = ((nowMs - this.lastMs) * this.entriesPerSecond) / 1000;
    this.allowance = Math.min(Math.max(1, this.entriesPerSecond), this.allowance + earned);
    this.lastMs = nowMs;
  }
}
