import { untilAborted } from '../streams/until-aborted.js';
import { Waiter } from '../waiter.js';
import { RpcError } from './rpc-error.js';

export interface RequestGateOptions {
  readonly maxRunning: number;
  readonly maxQueued: number;
}

/** So many requests run at once; some more wait for their turn, in order; the rest is refused at once. */
export class RequestGate {
  readonly #waiting: Waiter<void>[] = [];
  #running = 0;
  #isClosed = false;
  #whenIdle: Waiter<void> | undefined;

  constructor(private readonly options: RequestGateOptions) {}

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when it is this request's turn, to what must be called once when it no longer runs. Rejects with RpcError
   * `overloaded` or `shutting-down`, or with the signal's `aborted`.
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    if (this.#isClosed) throw shuttingDown();
    if (this.#running < this.options.maxRunning) {
      this.#running += 1;
      return this.#createLeave();
    }
    if (this.#waiting.length >= this.options.maxQueued)
      throw new RpcError('overloaded', 'too many requests', { mayHaveBegun: false });
    const waiter = new Waiter<void>();
    this.#waiting.push(waiter);
    try {
      await untilAborted(waiter.promise, signal, 'waiting for its turn');
    } catch (error) {
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
      // Its turn came in the same moment in which it was given up: the next one's turn, then.
      else waiter.promise.then(this.#createLeave(), () => {});
      throw error;
    }
    return this.#createLeave();
  }

  /** Nobody enters any more, and those who wait are refused. Resolves when nothing runs. */
  close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(shuttingDown());
    if (this.#running === 0) return Promise.resolve();
    this.#whenIdle ??= new Waiter();
    return this.#whenIdle.promise;
  }

  #createLeave(): () => void {
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      const next = this.#waiting.shift();
      // The place is handed on: nobody who comes now can take it first.
      if (next !== undefined) next.resolve();
      else if (--this.#running === 0) this.#whenIdle?.resolve();
    };
  }
}

function shuttingDown(): RpcError {
  return new RpcError('shutting-down', 'the server is stopping', { mayHaveBegun: false });
}
