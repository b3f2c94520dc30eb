export interface ConnectionHealthOptions {
  /** Default 30,000. */
  readonly intervalMs?: number;
  /** Time for an answer, not longer than the interval. Default 10,000. */
  readonly deadlineMs?: number;
  /** Misses in a row after which the connection is to be replaced. Default 3. */
  readonly maxMisses?: number;
}

export type HealthAction =
  | { readonly do: 'ping'; readonly nonce: number }
  /** The application at the other end hangs, though its transport answers: close, and dial anew. Given once. */
  | { readonly do: 'replace' };

/**
 * Finds the peer whose program hangs; a dead path is found by the transport's own timeout. Without I/O: call `tick` at
 * `nextTickMs` and do what it says.
 *
 * 1. At most one ping waits for its answer.
 * 2. Only misses in a row count: whatever answer comes, however late, shows that the other side is alive.
 * 3. After `replace` nothing more comes.
 */
export class ConnectionHealth {
  private readonly intervalMs: number;
  private readonly deadlineMs: number;
  private readonly maxMisses: number;
  private nextPingMs: number;
  private waitsUntilMs: number | undefined;
  private lastNonce = 0;
  private missesInRow = 0;
  private isOver = false;

  constructor(nowMs: number, options: ConnectionHealthOptions = {}) {
    this.intervalMs = options.intervalMs ?? 30_000;
    this.deadlineMs = Math.min(options.deadlineMs ?? 10_000, this.intervalMs);
    this.maxMisses = options.maxMisses ?? 3;
    this.nextPingMs = nowMs + this.intervalMs;
  }

  get misses(): number {
    return this.missesInRow;
  }

  /** Undefined once the connection is to be replaced. */
  get nextTickMs(): number | undefined {
    return this.isOver ? undefined : (this.waitsUntilMs ?? this.nextPingMs);
  }

  tick(nowMs: number): HealthAction | undefined {
    if (this.isOver) return undefined;
    if (this.waitsUntilMs !== undefined && nowMs >= this.waitsUntilMs) {
      this.waitsUntilMs = undefined;
      this.missesInRow++;
      if (this.missesInRow >= this.maxMisses) {
        this.isOver = true;
        return { do: 'replace' };
      }
    }
    if (this.waitsUntilMs !== undefined || nowMs < this.nextPingMs) return undefined;
    // From now on, not from when it was due: after a machine slept, one ping is enough.
    this.nextPingMs = nowMs + this.intervalMs;
    this.waitsUntilMs = nowMs + this.deadlineMs;
    return { do: 'ping', nonce: ++this.lastNonce };
  }

  /** An answer came. One that nobody asked for counts for nothing. */
  answered(nonce: number): void {
    if (!(nonce >= 1 && nonce <= this.lastNonce)) return;
    this.missesInRow = 0;
    if (nonce === this.lastNonce) this.waitsUntilMs = undefined;
  }
}
