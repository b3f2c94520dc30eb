import { encodeFrameHead } from '../frame-codec.js';
import type { PoolClock } from '../pool/address-race.js';
import { untilAborted } from '../streams/until-aborted.js';
import type { BidiStream, PeerIdentity } from '../transport.js';
import { Waiter } from '../waiter.js';
import { Deadline } from './deadline.js';
import { IntakeBudget } from './intake-budget.js';
import { RequestGate } from './request-gate.js';
import { RpcError, RpcFailure } from './rpc-error.js';
import { encodeFailure, isFailureKind, MAX_METHOD_BYTES, RpcFrame } from './rpc-frames.js';
import { ServedStream } from './served-stream.js';

export interface RpcRequest {
  readonly method: string;
  /** The handler's own, as long as it runs. */
  readonly payload: Uint8Array;
  /** How long the caller still waits, ms. */
  readonly deadlineMs: number;
  /** Who asks, as far as {@link RpcServer.serve} was told. */
  readonly peer?: PeerIdentity;
}

/**
 * Answers a request. The signal comes when nobody waits for the answer any more: the caller cancelled, has gone, or its
 * deadline has passed, or the server stops. Until the handler returns it counts as running. What it throws goes to the
 * caller as `failed` where it is an {@link RpcFailure}, and without a word about it otherwise. The bytes that it returns must
 * not change afterwards.
 */
export type RpcHandler = (
  request: RpcRequest,
  context: { readonly signal: AbortSignal },
) => Promise<Uint8Array> | Uint8Array;

export interface RpcServerDependencies {
  readonly handlers: Readonly<Record<string, RpcHandler>>;
  readonly clock: PoolClock;
  /** What a handler threw that was no RpcFailure: the caller is not told. */
  readonly onHandlerError?: (error: unknown, method: string) => void;
}

/** All limits count for all streams and connections together, unless they say otherwise. */
export interface RpcServerOptions {
  /** Handlers at work at once. Default 64. */
  readonly maxRunning?: number;
  /** Requests that wait for a handler; what comes then is refused as `overloaded`. Default 256. */
  readonly maxQueued?: number;
  /** Memory for requests that come in, wait or run; beyond it they are refused as `overloaded`. Default 64 MiB. */
  readonly maxHeldBytes?: number;
  /** A larger request breaks the protocol. Default 1 MiB. */
  readonly maxRequestBytes?: number;
  /** A larger answer fails as `too-large`. Default 1 MiB. */
  readonly maxResponseBytes?: number;
  /** No request gets more time, whatever its caller says, ms. Default 600,000. */
  readonly maxDeadlineMs?: number;
  /** Code of the reset and the stop of a stream that breaks the protocol. Default 3. */
  readonly violationCode?: number;
}

export interface RpcServerStats {
  readonly running: number;
  readonly queued: number;
  readonly heldBytes: number;
  readonly streams: number;
  /** Requests answered so far, refusals included. */
  readonly answered: number;
}

export interface ServeOptions {
  /** Bytes of the stream that were read before, such as what followed its kind. */
  readonly first?: Uint8Array;
  readonly peer?: PeerIdentity;
}

/** Answers requests on any number of streams of any number of connections. */
export class RpcServer {
  readonly #handlers: ReadonlyMap<string, RpcHandler>;
  readonly #gate: RequestGate;
  readonly #budget: IntakeBudget;
  readonly #streams = new Set<ServedStream>();
  readonly #deadlines = new Set<Deadline>();
  readonly #options: Required<RpcServerOptions>;
  #answered = 0;
  #isStopping = false;
  #whenEmpty: Waiter<void> | undefined;

  constructor(
    private readonly deps: RpcServerDependencies,
    options: RpcServerOptions = {},
  ) {
    this.#options = {
      maxRunning: 64,
      maxQueued: 256,
      maxHeldBytes: 64 * 1024 * 1024,
      maxRequestBytes: 1024 * 1024,
      maxResponseBytes: 1024 * 1024,
      maxDeadlineMs: 600_000,
      violationCode: 3,
      ...options,
    };
    this.#handlers = new Map(Object.entries(deps.handlers));
    this.#gate = new RequestGate(this.#options);
    this.#budget = new IntakeBudget(
      this.#options.maxHeldBytes,
      this.#options.maxRequestBytes + MAX_METHOD_BYTES,
    );
  }

  /** Serves one stream until it is over. Rejects with RpcError `protocol-error` when the peer broke the protocol. */
  async serve(stream: BidiStream, { first, peer }: ServeOptions = {}): Promise<void> {
    const served = new ServedStream(
      {
        stream,
        budget: this.#budget,
        answer: (request, signal) =>
          this.#answer(peer === undefined ? request : { ...request, peer }, signal),
      },
      this.#options,
    );
    this.#streams.add(served);
    if (this.#isStopping) served.announceClosing();
    try {
      await served.serve(first);
    } finally {
      this.#streams.delete(served);
      if (this.#streams.size === 0) this.#whenEmpty?.resolve();
    }
  }

  stats(): RpcServerStats {
    return {
      running: this.#gate.running,
      queued: this.#gate.queued,
      heldBytes: this.#budget.heldBytes,
      streams: this.#streams.size,
      answered: this.#answered,
    };
  }

  /**
   * Refuses new requests and those that wait, and lets running ones finish, at most `withinMs` (default 5,000); what runs then is
   * interrupted. Resolves to how many were, when all are answered and their streams over, or at that time. Connections
   * stay open.
   */
  async stop({
    withinMs = 5_000,
  }: {
    readonly withinMs?: number;
  } = {}): Promise<{ readonly interrupted: number }> {
    this.#isStopping = true;
    let interrupted = 0;
    const outOfTime = new AbortController();
    const cancelTimer = this.deps.clock.after(withinMs, () => {
      for (const deadline of [...this.#deadlines]) {
        if (!deadline.signal.aborted) interrupted += 1;
        deadline.end(new RpcError('interrupted', 'the server stopped before it was done'));
      }
      outOfTime.abort();
    });
    for (const stream of this.#streams) stream.announceClosing();
    this.#whenEmpty ??= new Waiter();
    const isEmpty = this.#streams.size === 0 ? Promise.resolve() : this.#whenEmpty.promise;
    const isOver = Promise.all([this.#gate.close(), isEmpty]);
    await untilAborted(isOver, outOfTime.signal, 'stopping').catch(() => {});
    cancelTimer();
    return { interrupted };
  }

  async #answer(request: RpcRequest, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const withinMs = Math.min(request.deadlineMs, this.#options.maxDeadlineMs);
    const deadline = new Deadline(this.deps.clock, withinMs, signal);
    this.#deadlines.add(deadline);
    try {
      const response = await this.#carryOut(request, deadline);
      const { maxResponseBytes } = this.#options;
      if (response.length > maxResponseBytes)
        return [encodeFailure('too-large', `an answer of more than ${maxResponseBytes} bytes`)];
      return [encodeFrameHead(RpcFrame.response, response.length), response];
    } catch (error) {
      return [this.#encodeError(deadline.signal.aborted ? deadline.reason : error, request.method)];
    } finally {
      deadline.release();
      this.#deadlines.delete(deadline);
      this.#answered += 1;
    }
  }

  async #carryOut(request: RpcRequest, deadline: Deadline): Promise<Uint8Array> {
    const handler = this.#handlers.get(request.method);
    if (handler === undefined) throw new RpcError('unknown-method', `there is no method '${request.method}'`);
    const leave = await this.#gate.enter(deadline.signal);
    const work = (async () =>
      handler({ ...request, deadlineMs: deadline.leftMs }, { signal: deadline.signal }))();
    // A handler that pays no heed to its signal keeps its place: otherwise the limit would be none.
    work.then(leave, leave);
    try {
      return await untilAborted(work, deadline.signal, 'the request');
    } catch (error) {
      throw new HandlerError('the handler failed', { cause: error });
    }
  }

  #encodeError(error: unknown, method: string): Uint8Array {
    if (error instanceof RpcError && isFailureKind(error.code))
      return encodeFailure(error.code, error.message);
    const cause = error instanceof HandlerError ? error.cause : error;
    if (cause instanceof RpcFailure) return encodeFailure('failed', cause.message, cause.code);
    this.deps.onHandlerError?.(cause, method);
    return encodeFailure('internal', '');
  }
}

/** What comes out of a handler, whatever it is: an RpcError among it is about some request of its own. */
class HandlerError extends Error {}
