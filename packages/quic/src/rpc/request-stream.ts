import { FrameError } from '../frame-codec.js';
import { readFrames } from '../frame-stream.js';
import type { PooledSession } from '../pool/stream-pool.js';
import type { BidiStream } from '../transport.js';
import { Waiter } from '../waiter.js';
import { RpcError } from './rpc-error.js';
import { answerLimits, CANCEL_FRAME, decodeFailure, isSkipped, RpcFrame } from './rpc-frames.js';

export interface RequestStreamOptions {
  /** Written before the first request: what tells the other side what this stream is for. Default nothing. */
  readonly prelude?: Uint8Array | undefined;
  readonly maxResponseBytes: number;
  /** Code of the reset and the stop when the other side breaks the protocol. */
  readonly violationCode: number;
}

/**
 * The requester's end of one stream: one request at a time. Invariants:
 * 1. The stream is read from its first moment to its last, also when nobody waits for what comes.
 * 2. At most one request has no answer yet; an answer that comes without one breaks the protocol.
 */
export class RequestStream implements PooledSession {
  readonly ended: Promise<void>;
  #answer: Waiter<Uint8Array> | undefined;
  #failure: RpcError | undefined;
  /** The server takes no more requests here. */
  #isClosing = false;
  #finishing: Promise<void> | undefined;
  #receivedBytes = 0;

  constructor(
    private readonly stream: BidiStream,
    private readonly options: RequestStreamOptions,
  ) {
    if (options.prelude !== undefined) stream.write(options.prelude).catch(() => {});
    this.ended = this.#readAnswers();
  }

  get isUsable(): boolean {
    return this.#failure === undefined && this.#finishing === undefined && !this.#isClosing;
  }

  /** Bytes that have come so far: whether a slow answer is still under way. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Sends a request frame and resolves to the payload of its answer. Rejects with RpcError alone. */
  exchange(request: Uint8Array): Promise<Uint8Array> {
    if (!this.isUsable) {
      const cause = this.#failure?.cause;
      return Promise.reject(
        new RpcError('unavailable', 'the stream has ended', { cause, mayHaveBegun: false }),
      );
    }
    if (this.#answer !== undefined) throw new Error('a request is under way on this stream');
    const answer = new Waiter<Uint8Array>();
    this.#answer = answer;
    this.stream.write(request).catch((error: unknown) => {
      this.#fail(error);
      this.abandon();
    });
    return answer.promise;
  }

  /** Asks the server to answer soon, with whatever. */
  cancel(): void {
    if (this.#answer !== undefined) this.stream.write(CANCEL_FRAME).catch(() => {});
  }

  retire(): void {
    this.#finishing ??= this.stream.finish().catch(() => {});
  }

  /** The other side does not end it in order: give it up, at the price of stream credit. */
  abandon(): void {
    this.stream.reset(this.options.violationCode);
    this.stream.stop(this.options.violationCode);
  }

  async #readAnswers(): Promise<void> {
    const source = { read: (into?: Uint8Array) => this.#read(into) };
    try {
      for await (const frame of readFrames(source, answerLimits(this.options.maxResponseBytes))) {
        if (frame.type === RpcFrame.closing) this.#handleClosing();
        else if (!isSkipped(frame.type)) this.#settle(frame.type, frame.payload);
      }
      this.#fail(undefined);
    } catch (error) {
      if (error instanceof RpcError || error instanceof FrameError) this.abandon();
      this.#fail(error);
    }
    this.retire();
    await this.#finishing;
  }

  async #read(into: Uint8Array | undefined): Promise<Uint8Array | null> {
    const bytes = await this.stream.read(into);
    this.#receivedBytes += bytes?.length ?? 0;
    return bytes;
  }

  #settle(type: number, payload: Uint8Array): void {
    const answer = this.#answer;
    this.#answer = undefined;
    if (answer === undefined) throw new RpcError('protocol-error', 'an answer to no request');
    if (type === RpcFrame.response) answer.resolve(payload);
    else answer.reject(decodeFailure(payload));
    if (this.#isClosing) this.retire();
  }

  #handleClosing(): void {
    this.#isClosing = true;
    if (this.#answer === undefined) this.retire();
  }

  #fail(error: unknown): void {
    this.#failure ??= toRpcError(error);
    this.#answer?.reject(this.#failure);
    this.#answer = undefined;
  }
}

function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof FrameError)
    return new RpcError('protocol-error', `the server broke the protocol: ${error.message}`, {
      cause: error,
    });
  return new RpcError('unavailable', 'the connection was lost before the answer', { cause: error });
}
