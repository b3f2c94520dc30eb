import type { Clock } from '../core/ports/clock.js';

export class PingError extends Error {
  override readonly name = 'PingError';
  constructor(
    readonly code: 'timeout' | 'ended',
    message: string,
  ) {
    super(message);
  }
}

interface Sent {
  readonly atMs: number;
  readonly resolve: (roundTripMs: number) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
}

/** Measures round trips with pings that carry a nonce. */
export class PingClock {
  private readonly sent = new Map<number, Sent>();
  private nextNonce = 1;
  private last: number | undefined;
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly send: (nonce: number) => void,
  ) {}

  get lastRoundTripMs(): number | undefined {
    return this.last;
  }

  /** One round trip, in ms. Rejects with {@link PingError} when the time is over, or the session or the caller ends it. */
  measure(timeoutMs: number, signal?: AbortSignal): Promise<number> {
    if (this.stopped) return Promise.reject(new PingError('ended', 'the connection has ended'));
    if (signal?.aborted) return Promise.reject(new PingError('ended', 'cancelled'));
    return new Promise((resolve, reject) => {
      const nonce = this.nextNonce++;
      const giveUp = (error: Error) => this.take(nonce)?.reject(error);
      const onAbort = () => giveUp(new PingError('ended', 'cancelled'));
      signal?.addEventListener('abort', onAbort, { once: true });
      const stopTimer = this.clock.after(timeoutMs, () =>
        giveUp(new PingError('timeout', `no answer within ${timeoutMs} ms`)),
      );
      const cancel = () => {
        stopTimer();
        signal?.removeEventListener('abort', onAbort);
      };
      this.sent.set(nonce, { atMs: this.clock.monotonicMs(), resolve, reject, cancel });
      this.send(nonce);
    });
  }

  /** An answer that nobody waits for counts for nothing. */
  answered(nonce: number): void {
    const sent = this.take(nonce);
    if (sent === undefined) return;
    this.last = this.clock.monotonicMs() - sent.atMs;
    sent.resolve(this.last);
  }

  stop(): void {
    this.stopped = true;
    for (const nonce of [...this.sent.keys()])
      this.take(nonce)?.reject(new PingError('ended', 'the connection has ended'));
  }

  private take(nonce: number): Sent | undefined {
    const sent = this.sent.get(nonce);
    this.sent.delete(nonce);
    sent?.cancel();
    return sent;
  }
}
