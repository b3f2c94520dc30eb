import type { PoolClock } from '../pool/address-race.js';
import { RpcError } from './rpc-error.js';

/** The time that one request has, and everything else that may end it before. The reason of its signal is an RpcError. */
export class Deadline {
  readonly #abort = new AbortController();
  readonly #endsAtMs: number;
  readonly #cancelTimer: () => void;

  constructor(
    private readonly clock: PoolClock,
    withinMs: number,
    private readonly outer?: AbortSignal | undefined,
  ) {
    this.#endsAtMs = clock.nowMs() + withinMs;
    this.#cancelTimer = clock.after(withinMs, () =>
      this.end(new RpcError('deadline-exceeded', `no answer within ${Math.round(withinMs)} ms`)),
    );
    if (outer?.aborted === true) this.#handleOuterAbort();
    else outer?.addEventListener('abort', this.#handleOuterAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ms until it ends; 0 when it has. */
  get leftMs(): number {
    return this.signal.aborted ? 0 : Math.max(0, this.#endsAtMs - this.clock.nowMs());
  }

  /** Why it ended, once it has. */
  get reason(): RpcError {
    const { reason } = this.signal;
    return reason instanceof RpcError ? reason : new RpcError('cancelled', 'cancelled', { cause: reason });
  }

  /** Ends it now, unless something did before. */
  end(reason: RpcError): void {
    this.release();
    this.#abort.abort(reason);
  }

  /** The request is over: nothing more will end it. */
  release(): void {
    this.#cancelTimer();
    this.outer?.removeEventListener('abort', this.#handleOuterAbort);
  }

  readonly #handleOuterAbort = (): void => {
    const cause: unknown = this.outer?.reason;
    this.end(
      cause instanceof RpcError ? cause : new RpcError('cancelled', 'the request was cancelled', { cause }),
    );
  };
}
