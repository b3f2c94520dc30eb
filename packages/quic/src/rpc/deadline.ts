import type { PoolClock } from '../pool/address-race.js';
import { onAbort } from '../streams/until-aborted.js';
import { RpcError } from './rpc-error.js';

/** The time that one request has, and everything else that may end it before. The reason of its signal is an RpcError. */
export class Deadline {
  readonly #abort = new AbortController();
  readonly #endsAtMs: number;
  readonly #cancelTimer: () => void;
  #forgetOuter: () => void = () => {};

  constructor(
    private readonly clock: PoolClock,
    withinMs: number,
    outer?: AbortSignal | undefined,
  ) {
    this.#endsAtMs = clock.nowMs() + withinMs;
    this.#cancelTimer = clock.after(withinMs, () =>
      this.end(new RpcError('deadline-exceeded', `no answer within ${Math.round(withinMs)} ms`)),
    );
    if (outer !== undefined) this.#forgetOuter = onAbort(outer, () => this.#handleOuterAbort(outer.reason));
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
    this.#forgetOuter();
  }

  #handleOuterAbort(cause: unknown): void {
    this.end(
      cause instanceof RpcError ? cause : new RpcError('cancelled', 'the request was cancelled', { cause }),
    );
  }
}
