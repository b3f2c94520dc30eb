import type { PoolClock } from '../pool/address-race.js';
import { StreamPool, StreamPoolError, type StreamPoolOptions } from '../pool/stream-pool.js';
import { untilAborted } from '../streams/until-aborted.js';
import { type Connection, TransportError } from '../transport.js';
import { Waiter } from '../waiter.js';
import { Deadline } from './deadline.js';
import { RequestStream } from './request-stream.js';
import { RpcError } from './rpc-error.js';
import { encodeMethod, encodeRequest } from './rpc-frames.js';

/**
 * Carries out an operation on a connection to the server. It may do so again on another when that one is lost: an operation
 * that must not be repeated refuses by itself. Waits for a connection as long as the signal allows.
 */
export type RunOnConnection = <Result>(
  operation: (connection: Connection, signal: AbortSignal) => Promise<Result>,
  options: { readonly signal: AbortSignal },
) => Promise<Result>;

/** Everything on this connection, nothing anywhere else. */
export function onConnection(connection: Connection): RunOnConnection {
  return (operation, { signal }) => operation(connection, signal);
}

export interface RpcClientDependencies {
  /** `onConnection(connection)`, or a pool's way of failing over to another. */
  readonly run: RunOnConnection;
  readonly clock: PoolClock;
}

export interface RpcClientOptions {
  /** For requests that name none, ms. Default 30,000. */
  readonly deadlineMs?: number;
  /** Larger requests are not sent. Default 1 MiB. */
  readonly maxRequestBytes?: number;
  /** A server that sends more breaks the protocol. Default 1 MiB. */
  readonly maxResponseBytes?: number;
  /** First bytes of every stream, such as its kind. Default none. */
  readonly prelude?: Uint8Array;
  /** How long the rest of a cancelled answer may bring no byte before its stream is given up, ms. Default 10,000. */
  readonly stallMs?: number;
  /** Code of resets and stops, for a server that breaks the protocol. Default 3. */
  readonly violationCode?: number;
  /** Streams per connection, and how many requests may wait for one; see {@link StreamPoolOptions}. */
  readonly streams?: StreamPoolOptions;
}

export interface RequestOptions {
  /** From now until the answer, everything included. */
  readonly deadlineMs?: number;
  /** Cancels it: the server is told, and stops. */
  readonly signal?: AbortSignal;
  /** Doing it twice does no harm: it may be sent again when a connection is lost under it. Default false. */
  readonly isIdempotent?: boolean;
}

type ClientPool = StreamPool<RequestStream>;

/** Asks a server, many requests at once, each on a stream of its own while it runs. */
export class RpcClient {
  readonly #pools = new Map<Connection, ClientPool>();
  readonly #running = new Set<Deadline>();
  #isClosed = false;
  #whenIdle: Waiter<void> | undefined;

  constructor(
    private readonly deps: RpcClientDependencies,
    private readonly options: RpcClientOptions = {},
  ) {}

  /**
   * Sends a request and resolves to the payload of its answer. `method` has 1 to 64 bytes of UTF-8, or it is a RangeError;
   * `payload` is copied when the request is sent. Rejects with {@link RpcError}.
   */
  async request(method: string, payload: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    if (this.#isClosed) throw new RpcError('closed', 'the client is closed', { mayHaveBegun: false });
    const { maxRequestBytes = 1024 * 1024, deadlineMs = 30_000 } = this.options;
    encodeMethod(method);
    if (payload.length > maxRequestBytes)
      throw new RpcError('too-large', `a request of more than ${maxRequestBytes} bytes`, {
        mayHaveBegun: false,
      });
    const deadline = new Deadline(this.deps.clock, options.deadlineMs ?? deadlineMs, options.signal);
    this.#running.add(deadline);
    try {
      return await this.#run(method, payload, deadline, options.isIdempotent === true);
    } finally {
      deadline.release();
      this.#running.delete(deadline);
      if (this.#running.size === 0) this.#whenIdle?.resolve();
    }
  }

  /**
   * Takes no new requests and lets those under way finish, at most `withinMs` (default 5,000); what is left then is
   * cancelled. Resolves when all streams are over, or at that time. Connections stay open.
   */
  async close({ withinMs = 5_000 }: { readonly withinMs?: number } = {}): Promise<void> {
    this.#isClosed = true;
    const outOfTime = new AbortController();
    const cancelTimer = this.deps.clock.after(withinMs, () => {
      for (const deadline of [...this.#running])
        deadline.end(new RpcError('closed', 'the client was closed before the answer'));
      outOfTime.abort();
    });
    this.#whenIdle ??= new Waiter();
    if (this.#running.size > 0) await this.#whenIdle.promise;
    await Promise.all([...this.#pools.values()].map((pool) => pool.close({ signal: outOfTime.signal })));
    cancelTimer();
  }

  async #run(
    method: string,
    payload: Uint8Array,
    deadline: Deadline,
    mayRepeat: boolean,
  ): Promise<Uint8Array> {
    let lastLoss: RpcError | undefined;
    const operation = async (connection: Connection, signal: AbortSignal): Promise<Uint8Array> => {
      if (lastLoss?.mayHaveBegun === true && !mayRepeat) throw lastLoss;
      // Until it is known better: whoever runs this may give it up and call again without waiting.
      lastLoss = new RpcError('unavailable', 'the connection was lost before the answer');
      try {
        return await this.#attempt(connection, signal, deadline, { method, payload });
      } catch (error) {
        if (error instanceof RpcError) lastLoss = error;
        // Nothing more can come of it: whoever runs this need not wait for another connection.
        if (!mayRepeat && lastLoss.mayHaveBegun) deadline.end(lastLoss);
        // Whoever watches the connection is to know of its end before it hears of ours.
        if (isConnectionLost(error)) await untilAborted(connection.closed, deadline.signal, 'the end');
        throw error;
      }
    };
    try {
      return await this.deps.run(operation, { signal: deadline.signal });
    } catch (error) {
      if (deadline.signal.aborted) throw deadline.reason;
      if (error instanceof RpcError) throw error;
      throw lastLoss ?? new RpcError('unavailable', 'no connection', { cause: error, mayHaveBegun: false });
    }
  }

  async #attempt(
    connection: Connection,
    signal: AbortSignal,
    deadline: Deadline,
    request: { readonly method: string; readonly payload: Uint8Array },
  ): Promise<Uint8Array> {
    const lease = await this.#poolFor(connection).acquire({ signal }).catch(toUnsent);
    const exchange = lease.session.exchange(encodeRequest({ ...request, deadlineMs: deadline.leftMs }));
    try {
      const answer = await untilAborted(exchange, signal, 'the request');
      lease.release();
      return answer;
    } catch (error) {
      if (error instanceof RpcError) {
        lease.release();
        throw error;
      }
      this.#awaitUnwanted(lease, exchange);
      if (deadline.signal.aborted) throw deadline.reason;
      throw new RpcError('unavailable', 'the connection was given up', { cause: error });
    }
  }

  /** The answer to a request that was given up: read to its end, and thrown away. Then the stream is as good as new. */
  #awaitUnwanted(lease: Awaited<ReturnType<ClientPool['acquire']>>, exchange: Promise<Uint8Array>): void {
    const { session } = lease;
    const { stallMs = 10_000 } = this.options;
    let cancelTimer = (): void => {};
    const watch = (): void => {
      const receivedBytes = session.receivedBytes;
      cancelTimer = this.deps.clock.after(stallMs, () => {
        if (session.receivedBytes > receivedBytes) watch();
        else session.abandon();
      });
    };
    watch();
    session.cancel();
    const settle = (): void => {
      cancelTimer();
      lease.release();
    };
    exchange.then(settle, settle);
  }

  #poolFor(connection: Connection): ClientPool {
    const known = this.#pools.get(connection);
    if (known !== undefined) return known;
    const { prelude, maxResponseBytes = 1024 * 1024, violationCode = 3, streams } = this.options;
    const pool: ClientPool = new StreamPool(
      {
        connection,
        clock: this.deps.clock,
        attach: (stream) => new RequestStream(stream, { prelude, maxResponseBytes, violationCode }),
      },
      streams,
    );
    this.#pools.set(connection, pool);
    void connection.closed.then(() => this.#pools.delete(connection));
    return pool;
  }
}

function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof RpcError) || error.code !== 'unavailable') return false;
  return error.cause instanceof TransportError && error.cause.code === 'connection-closed';
}

/** Why there was no stream: the request has not been sent. */
function toUnsent(error: unknown): never {
  if (error instanceof StreamPoolError && error.code === 'exhausted')
    throw new RpcError('overloaded', error.message, { cause: error, mayHaveBegun: false });
  throw new RpcError('unavailable', 'no stream for the request', { cause: error, mayHaveBegun: false });
}
