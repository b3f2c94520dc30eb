import { readFrames } from '../frame-stream.js';
import { type BidiStream, TransportError } from '../transport.js';
import type { IntakeBudget } from './intake-budget.js';
import { RpcError } from './rpc-error.js';
import {
  CLOSING_FRAME,
  decodeRequest,
  encodeFailure,
  RpcFrame,
  type RpcRequestFrame,
  requestLimits,
} from './rpc-frames.js';

export interface ServedStreamDependencies {
  readonly stream: BidiStream;
  readonly budget: IntakeBudget;
  /** Carries out one request. Resolves to the frames of its answer, written one after another; never rejects. */
  readonly answer: (request: RpcRequestFrame, signal: AbortSignal) => Promise<readonly Uint8Array[]>;
}

export interface ServedStreamOptions {
  readonly maxRequestBytes: number;
  readonly violationCode: number;
}

class RunningRequest {
  readonly abort = new AbortController();
  isAnswered = false;
  /** Settles when the answer was written, and the stream has room again. */
  written: Promise<void> = Promise.resolve();
  constructor(readonly heldBytes: number) {}
}

/**
 * The server's end of one stream. Invariants:
 * 1. The stream is read until its end, while a request runs too: a cancellation is heard at once.
 * 2. Every request gets one answer, unless the stream breaks; a second request before that breaks the protocol.
 * 3. Nothing is taken in before the answer to the request before it has left: who does not read answers waits.
 */
export class ServedStream {
  #running: RunningRequest | undefined;
  /** Held against the budget for the payload that is coming in. */
  #receivingBytes = 0;

  constructor(
    private readonly deps: ServedStreamDependencies,
    private readonly options: ServedStreamOptions,
  ) {}

  /** Serves until the stream is over. Rejects with RpcError `protocol-error` when the peer broke the protocol. */
  async serve(first?: Uint8Array): Promise<void> {
    const { stream } = this.deps;
    try {
      await this.#readRequests(first);
      await this.#running?.written;
      await stream.finish();
    } catch (error) {
      this.#running?.abort.abort(new RpcError('cancelled', 'the caller has gone', { cause: error }));
      if (error instanceof TransportError) return;
      stream.reset(this.options.violationCode);
      stream.stop(this.options.violationCode);
      throw error instanceof RpcError
        ? error
        : new RpcError('protocol-error', 'not a request', { cause: error });
    } finally {
      await this.#running?.written.catch(() => {});
      this.deps.budget.give(this.#takeReceiving());
    }
  }

  /** Asks the requester to end the stream once it has its last answer. */
  announceClosing(): void {
    this.deps.stream.write(CLOSING_FRAME).catch(() => {});
  }

  async #readRequests(first: Uint8Array | undefined): Promise<void> {
    const limits = requestLimits(this.options.maxRequestBytes);
    const allocate = (length: number): Uint8Array => this.#allocate(length);
    for await (const { type, payload } of readFrames(this.deps.stream, limits, first, { allocate })) {
      const heldBytes = this.#takeReceiving();
      if (type === RpcFrame.request) await this.#begin(payload, heldBytes);
      else this.deps.budget.give(heldBytes);
      if (type === RpcFrame.cancel) this.#cancel();
    }
  }

  #cancel(): void {
    if (this.#running?.isAnswered === false)
      this.#running.abort.abort(new RpcError('cancelled', 'the caller cancelled'));
  }

  /** `heldBytes`: what the budget holds for this payload already. */
  async #begin(payload: Uint8Array, heldBytes: number): Promise<void> {
    const { stream, budget } = this.deps;
    const running = new RunningRequest(heldBytes || (budget.take(payload.length) ? payload.length : 0));
    try {
      if (this.#running?.isAnswered === false)
        throw new RpcError('protocol-error', 'a second request before the answer to the first');
      await this.#running?.written;
      if (budget.isDiscarded(payload) || running.heldBytes < payload.length) {
        await stream.write(encodeFailure('overloaded', 'too much is held for requests already'));
        return;
      }
      running.written = this.#answer(running, decodeRequest(payload));
      // Waited for before the next request, and at the end.
      running.written.catch(() => {});
      this.#running = running;
    } finally {
      if (this.#running !== running) budget.give(running.heldBytes);
    }
  }

  async #answer(running: RunningRequest, request: RpcRequestFrame): Promise<void> {
    const frames = await this.deps.answer(request, running.abort.signal);
    running.isAnswered = true;
    this.deps.budget.give(running.heldBytes);
    // All at once: an answer is never half written.
    await Promise.all(frames.map((bytes) => this.deps.stream.write(bytes)));
  }

  /** Room for a payload that comes in pieces, held against the budget before a byte of it is kept. */
  #allocate(length: number): Uint8Array {
    const { budget } = this.deps;
    if (!budget.take(length)) return budget.discard(length);
    this.#receivingBytes = length;
    return Buffer.allocUnsafeSlow(length);
  }

  #takeReceiving(): number {
    const bytes = this.#receivingBytes;
    this.#receivingBytes = 0;
    return bytes;
  }
}
