export interface TokenBucketOptions {
  /** The most that may be taken at once, and what is there at the start. Above 0. */
  readonly capacity: number;
  /** Above 0. */
  readonly refillPerSecond: number;
}

/**
 * So many events a second on average, and `capacity` of them at once. Time is an argument: ms on a clock that may not go
 * backwards (where it does, nothing is refilled until it has caught up).
 */
export class TokenBucket {
  private readonly capacity: number;
  private readonly refillPerMs: number;
  private tokens: number;
  private refilledAtMs: number;

  constructor(options: TokenBucketOptions, nowMs: number) {
    const { capacity, refillPerSecond } = options;
    if (!(capacity > 0) || !(refillPerSecond > 0)) {
      throw new RangeError('a token bucket needs a capacity and a refill above 0');
    }
    this.capacity = capacity;
    this.refillPerMs = refillPerSecond / 1_000;
    this.tokens = capacity;
    this.refilledAtMs = nowMs;
  }

  /** Takes all of `count`, or nothing and returns false. More than the capacity never comes together. */
  tryTake(count: number, nowMs: number): boolean {
    this.refill(nowMs);
    if (!(count >= 0 && count <= this.tokens + ROUNDING)) return false;
    this.tokens = Math.max(0, this.tokens - count);
    return true;
  }

  /** What could be taken now. */
  available(nowMs: number): number {
    this.refill(nowMs);
    return this.tokens;
  }

  /** How long until `count` can be taken, in ms; 0 when it can be now, infinite when it is more than the capacity. */
  msUntil(count: number, nowMs: number): number {
    this.refill(nowMs);
    if (count > this.capacity) return Number.POSITIVE_INFINITY;
    return Math.max(0, (count - this.tokens) / this.refillPerMs);
  }

  /** True while it behaves like a new one, and need not be kept. */
  isFull(nowMs: number): boolean {
    return this.available(nowMs) >= this.capacity;
  }

  private refill(nowMs: number): void {
    if (nowMs <= this.refilledAtMs) return;
    this.tokens = Math.min(this.capacity, this.tokens + (nowMs - this.refilledAtMs) * this.refillPerMs);
    this.refilledAtMs = nowMs;
  }
}

/** Many small refills add up to a hair less than one large one. */
const ROUNDING = 1e-9;
