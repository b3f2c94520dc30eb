import { Priority } from '../priority.js';
import { untilAborted, type WaitOptions } from '../streams/until-aborted.js';
import { type BidiStream, type Connection, TransportError, type Urgency } from '../transport.js';
import { Waiter } from '../waiter.js';
import type { PoolClock } from './address-race.js';

/** What runs on one pooled stream. */
export interface PooledSession {
  /** Whether it can be lent: false from the moment in which something went wrong with it, for ever. */
  readonly isUsable: boolean;
  /** Resolves when the stream is over, both ways, however it ended. Never rejects. */
  readonly ended: Promise<void>;
  /** Nothing more will be asked of it: ends the stream in order. May be called more than once. */
  retire(): void;
}

export interface StreamPoolDependencies<Session extends PooledSession> {
  readonly connection: Pick<Connection, 'openBidi' | 'closed'>;
  readonly clock: PoolClock;
  /** Called once for every stream that the pool opened. */
  readonly attach: (stream: BidiStream) => Session;
}

export interface StreamPoolOptions {
  /** Streams at once, those included that are on their way to their end. Default 16. */
  readonly maxStreams?: number;
  /** Streams kept open while nobody uses them. Default 4. */
  readonly maxIdle?: number;
  /** How long one is kept so. Default 30,000. */
  readonly idleMs?: number;
  /** Who may wait for a stream at once; who comes then is refused. Default 256. */
  readonly maxWaiting?: number;
  /** Default `Priority.normal`. */
  readonly urgency?: Urgency;
}

/** A stream on loan. Exactly one of the two must be called, once; what comes after it does nothing. */
export interface StreamLease<Session> {
  readonly session: Session;
  /** The stream is as it was lent: the next one may have it. */
  release(): void;
  /** Nobody may use it any more. It counts until it has ended. */
  discard(): void;
}

export interface StreamPoolStats {
  /** All that count: opening, lent, idle, and ending. */
  readonly streams: number;
  readonly idle: number;
  readonly lent: number;
  readonly waiting: number;
}

export class StreamPoolError extends Error {
  override readonly name = 'StreamPoolError';
  constructor(
    /** `exhausted`: too many wait already. `timeout`: no stream came free in time. `closed`: the pool is. */
    readonly code: 'exhausted' | 'timeout' | 'closed',
    message: string,
  ) {
    super(message);
  }
}

interface Idle<Session> {
  readonly session: Session;
  readonly cancelTimer: () => void;
}

/**
 * Streams of one connection, used one after another for many short conversations: warm ones are lent again, more are
 * opened on demand up to a limit, and beyond it callers wait for their turn, in order. Invariants:
 * 1. `#streams` counts every stream from the moment it is asked for until it is over; it never exceeds `maxStreams`.
 * 2. Nobody waits while a stream is idle.
 * 3. A session is lent to one caller at a time, and to nobody once it is not usable.
 */
export class StreamPool<Session extends PooledSession> {
  readonly #options: Required<StreamPoolOptions>;
  /** The last is the warmest. */
  readonly #idle: Idle<Session>[] = [];
  readonly #lent = new Set<Session>();
  readonly #waiting: Waiter<Session>[] = [];
  readonly #opening = new Set<AbortController>();
  #streams = 0;
  #end: Error | undefined;
  #whenEmpty: Waiter<void> | undefined;

  constructor(
    private readonly deps: StreamPoolDependencies<Session>,
    options: StreamPoolOptions = {},
  ) {
    this.#options = {
      maxStreams: 16,
      maxIdle: 4,
      idleMs: 30_000,
      maxWaiting: 256,
      urgency: Priority.normal,
      ...options,
    };
    void deps.connection.closed.then((closeInfo) =>
      this.#refuseAll(new TransportError('connection-closed', 'the connection has ended', { closeInfo })),
    );
  }

  /**
   * Borrows a stream. Rejects with {@link StreamPoolError}, with a TransportError when the connection has ended or the
   * signal came first (`aborted`).
   */
  async acquire({
    signal,
    timeoutMs,
  }: WaitOptions & { readonly timeoutMs?: number } = {}): Promise<StreamLease<Session>> {
    if (this.#end !== undefined) throw this.#end;
    const warm = this.#takeWarmest();
    if (warm !== undefined) return this.#lend(warm);
    if (this.#waiting.length >= this.#options.maxWaiting)
      throw new StreamPoolError('exhausted', `${this.#waiting.length} wait for a stream already`);
    const waiter = new Waiter<Session>();
    this.#waiting.push(waiter);
    this.#openForWaiting();
    const cancelTimer =
      timeoutMs === undefined
        ? undefined
        : this.deps.clock.after(timeoutMs, () => {
            if (this.#leaveLine(waiter))
              waiter.reject(new StreamPoolError('timeout', `no stream within ${timeoutMs} ms`));
          });
    try {
      return this.#lend(await untilAborted(waiter.promise, signal, 'waiting for a stream'));
    } catch (error) {
      // It may have been given a stream in the same turn in which it lost interest.
      if (!this.#leaveLine(waiter)) waiter.promise.then((session) => this.#offer(session)).catch(() => {});
      throw error;
    } finally {
      cancelTimer?.();
    }
  }

  stats(): StreamPoolStats {
    return {
      streams: this.#streams,
      idle: this.#idle.length,
      lent: this.#lent.size,
      waiting: this.#waiting.length,
    };
  }

  /**
   * Lends no more, and ends idle streams at once, lent ones when they are given back. Resolves when all streams are over, or
   * when the signal comes.
   */
  async close({ signal }: WaitOptions = {}): Promise<void> {
    this.#refuseAll(new StreamPoolError('closed', 'the stream pool is closed'));
    if (this.#streams === 0) return;
    this.#whenEmpty ??= new Waiter();
    await untilAborted(this.#whenEmpty.promise, signal, 'closing the stream pool').catch(() => {});
  }

  #refuseAll(error: Error): void {
    this.#end ??= error;
    for (const opening of this.#opening) opening.abort();
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
    for (const { session, cancelTimer } of this.#idle.splice(0)) {
      cancelTimer();
      session.retire();
    }
  }

  #lend(session: Session): StreamLease<Session> {
    this.#lent.add(session);
    let isBack = false;
    const giveBack = (then: () => void): void => {
      if (isBack) return;
      isBack = true;
      this.#lent.delete(session);
      then();
    };
    return {
      session,
      release: () => giveBack(() => this.#offer(session)),
      discard: () => giveBack(() => session.retire()),
    };
  }

  /** A stream that nobody has: to who waits, or to the idle ones. */
  #offer(session: Session): void {
    if (this.#end !== undefined || !session.isUsable) {
      session.retire();
      return;
    }
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.resolve(session);
      return;
    }
    if (this.#idle.length >= this.#options.maxIdle) {
      session.retire();
      return;
    }
    const cancelTimer = this.deps.clock.after(this.#options.idleMs, () => {
      if (this.#takeIdle(session)) session.retire();
    });
    this.#idle.push({ session, cancelTimer });
  }

  #takeWarmest(): Session | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      idle.cancelTimer();
      if (idle.session.isUsable) return idle.session;
      idle.session.retire();
    }
    return undefined;
  }

  #takeIdle(session: Session): boolean {
    const at = this.#idle.findIndex((idle) => idle.session === session);
    const [idle] = at < 0 ? [] : this.#idle.splice(at, 1);
    idle?.cancelTimer();
    return idle !== undefined;
  }

  /** Whether it still stood in line. */
  #leaveLine(waiter: Waiter<Session>): boolean {
    const at = this.#waiting.indexOf(waiter);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  #openForWaiting(): void {
    while (this.#waiting.length > this.#opening.size && this.#streams < this.#options.maxStreams)
      void this.#open();
  }

  async #open(): Promise<void> {
    const opening = new AbortController();
    this.#streams += 1;
    this.#opening.add(opening);
    let session: Session;
    try {
      const { urgency } = this.#options;
      session = this.deps.attach(await this.deps.connection.openBidi({ urgency, signal: opening.signal }));
    } catch (error) {
      this.#forgetStream();
      // What keeps one stream from being opened keeps all: the connection has ended, or the pool is closed.
      for (const waiter of this.#waiting.splice(0)) waiter.reject(error as Error);
      return;
    } finally {
      this.#opening.delete(opening);
    }
    void session.ended.then(() => {
      this.#takeIdle(session);
      this.#forgetStream();
      if (this.#end === undefined) this.#openForWaiting();
    });
    this.#offer(session);
  }

  #forgetStream(): void {
    this.#streams -= 1;
    if (this.#streams === 0) this.#whenEmpty?.resolve();
  }
}
