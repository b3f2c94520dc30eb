import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../memory/virtual-clock.js';
import { type BidiStream, type CloseInfo, type OpenOptions, TransportError } from '../transport.js';
import { Waiter } from '../waiter.js';
import { type PooledSession, type StreamLease, StreamPool, type StreamPoolOptions } from './stream-pool.js';

class FakeSession implements PooledSession {
  isUsable = true;
  wasRetired = false;
  readonly #over = new Waiter<void>();

  constructor(
    readonly number: number,
    /** Whether the other side ends it as soon as we do. */
    private readonly endsAtOnce: boolean,
  ) {}

  get ended(): Promise<void> {
    return this.#over.promise;
  }

  retire(): void {
    this.wasRetired = true;
    this.isUsable = false;
    if (this.endsAtOnce) this.end();
  }

  end(): void {
    this.isUsable = false;
    this.#over.resolve();
  }
}

/** A pool over a connection that opens streams when the test says. */
class World {
  readonly clock = new VirtualClock();
  readonly sessions: FakeSession[] = [];
  readonly opening: { waiter: Waiter<BidiStream>; options: OpenOptions | undefined }[] = [];
  readonly closed = new Waiter<CloseInfo>();
  readonly pool: StreamPool<FakeSession>;
  opensAtOnce = true;
  endsAtOnce = true;

  constructor(options: StreamPoolOptions = {}) {
    const connection = {
      closed: this.closed.promise,
      openBidi: (openOptions?: OpenOptions): Promise<BidiStream> => {
        const waiter = new Waiter<BidiStream>();
        this.opening.push({ waiter, options: openOptions });
        if (this.opensAtOnce) waiter.resolve({} as BidiStream);
        openOptions?.signal?.addEventListener('abort', () =>
          waiter.reject(new TransportError('aborted', 'given up')),
        );
        return waiter.promise;
      },
    };
    this.pool = new StreamPool(
      {
        connection,
        clock: { nowMs: () => this.clock.now(), after: (delayMs, run) => this.clock.schedule(delayMs, run) },
        attach: () => {
          const session = new FakeSession(this.sessions.length, this.endsAtOnce);
          this.sessions.push(session);
          return session;
        },
      },
      options,
    );
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const numbers = (leases: readonly StreamLease<FakeSession>[]): readonly number[] =>
  leases.map(({ session }) => session.number);

describe('StreamPool', () => {
  it('lends a warm stream again, the last used first', async () => {
    const { pool, sessions } = new World();
    const leases = await Promise.all([pool.acquire(), pool.acquire()]);
    expect(numbers(leases)).toEqual([0, 1]);
    leases[1].release();
    leases[0].release();
    expect(pool.stats()).toEqual({ streams: 2, idle: 2, lent: 0, waiting: 0 });
    expect((await pool.acquire()).session.number).toBe(0);
    expect(sessions).toHaveLength(2);
  });

  it('opens up to its limit, then makes callers wait in order', async () => {
    const { pool, sessions } = new World({ maxStreams: 2 });
    const leases = await Promise.all([pool.acquire(), pool.acquire()]);
    const order: string[] = [];
    const third = pool.acquire().then((lease) => {
      order.push(`third on ${lease.session.number}`);
      return lease;
    });
    const fourth = pool.acquire().then(({ session }) => order.push(`fourth on ${session.number}`));
    await turn();
    expect(order).toEqual([]);
    expect(pool.stats().waiting).toBe(2);
    leases[1].release();
    const lease = await third;
    lease.release();
    await fourth;
    expect(order).toEqual(['third on 1', 'fourth on 1']);
    expect(sessions).toHaveLength(2);
  });

  it('refuses when too many wait', async () => {
    const { pool } = new World({ maxStreams: 1, maxWaiting: 1 });
    await pool.acquire();
    void pool.acquire().catch(() => {});
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'exhausted' });
  });

  it('waits no longer than told, and loses no stream by it', async () => {
    const { pool, clock } = new World({ maxStreams: 1 });
    const lease = await pool.acquire();
    const late = pool.acquire({ timeoutMs: 100 });
    const outcome = expect(late).rejects.toMatchObject({ code: 'timeout' });
    await clock.advance(100);
    await outcome;
    const abort = new AbortController();
    const given = expect(pool.acquire({ signal: abort.signal })).rejects.toMatchObject({ code: 'aborted' });
    // In one turn: the stream comes free and its next user loses interest.
    lease.release();
    abort.abort();
    await given;
    await turn();
    expect(pool.stats()).toEqual({ streams: 1, idle: 1, lent: 0, waiting: 0 });
  });

  it('keeps a bounded number of streams, for a bounded time', async () => {
    const { pool, clock, sessions } = new World({ maxIdle: 2, idleMs: 1_000 });
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    for (const lease of leases) lease.release();
    await turn();
    expect(sessions.map(({ wasRetired }) => wasRetired)).toEqual([false, false, true]);
    await clock.advance(999);
    expect(pool.stats().idle).toBe(2);
    await clock.advance(1);
    await turn();
    expect(pool.stats()).toEqual({ streams: 0, idle: 0, lent: 0, waiting: 0 });
  });

  it('never lends a broken stream, and opens another for who waits', async () => {
    const { pool, sessions } = new World({ maxStreams: 1 });
    const lease = await pool.acquire();
    const next = pool.acquire();
    lease.session.end();
    expect((await next).session.number).toBe(1);
    lease.release();
    (await next).release();
    sessions[1]?.end();
    expect((await pool.acquire()).session.number).toBe(2);
  });

  it('counts a discarded stream until it is over', async () => {
    const world = new World({ maxStreams: 1 });
    world.endsAtOnce = false;
    const { pool, sessions } = world;
    const lease = await pool.acquire();
    lease.discard();
    lease.release();
    const next = pool.acquire();
    await turn();
    expect(pool.stats()).toEqual({ streams: 1, idle: 0, lent: 0, waiting: 1 });
    sessions[0]?.end();
    expect((await next).session.number).toBe(1);
  });

  it('gives a stream that was opened for somebody who left to the next', async () => {
    const world = new World();
    world.opensAtOnce = false;
    const abort = new AbortController();
    const left = expect(world.pool.acquire({ signal: abort.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    abort.abort();
    await left;
    expect(world.opening).toHaveLength(1);
    const next = world.pool.acquire();
    world.opening[0]?.waiter.resolve({} as BidiStream);
    expect((await next).session.number).toBe(0);
  });

  it('closes: refuses, ends what is idle, and waits for what is lent', async () => {
    const { pool, sessions } = new World();
    const [lent, idle] = await Promise.all([pool.acquire(), pool.acquire()]);
    idle.release();
    let isClosed = false;
    const closing = pool.close().then(() => {
      isClosed = true;
    });
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'closed' });
    await turn();
    expect([isClosed, sessions[0]?.wasRetired, sessions[1]?.wasRetired]).toEqual([false, false, true]);
    lent.release();
    await closing;
    expect(pool.stats().streams).toBe(0);
  });

  it('turns away who waits when it closes', async () => {
    const { pool } = new World({ maxStreams: 1 });
    const lease = await pool.acquire();
    const waiting = expect(pool.acquire()).rejects.toMatchObject({ code: 'closed' });
    const closing = pool.close();
    await waiting;
    lease.discard();
    await closing;
  });

  it('gives up closing when told', async () => {
    const { pool } = new World();
    await pool.acquire();
    await pool.close({ signal: AbortSignal.abort() });
    expect(pool.stats().streams).toBe(1);
  });

  it('fails with its connection', async () => {
    const world = new World({ maxStreams: 1 });
    const lease = await world.pool.acquire();
    const waiting = expect(world.pool.acquire()).rejects.toMatchObject({ code: 'connection-closed' });
    world.closed.resolve({ by: 'timeout', reason: 'idle' });
    await waiting;
    await expect(world.pool.acquire()).rejects.toMatchObject({ code: 'connection-closed' });
    lease.release();
    await turn();
    expect(world.pool.stats()).toEqual({ streams: 0, idle: 0, lent: 0, waiting: 0 });
  });

  it('keeps its invariants whatever happens in whatever order', async () => {
    const action = fc.constantFrom('acquire', 'release', 'discard', 'abort', 'break', 'pass');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(action, fc.nat(7)), { maxLength: 60 }), async (script) => {
        const { pool, clock, sessions } = new World({ maxStreams: 3, maxIdle: 2, maxWaiting: 4, idleMs: 50 });
        const held: StreamLease<FakeSession>[] = [];
        const aborts: AbortController[] = [];
        let pending = 0;
        for (const [what, n] of script) {
          if (what === 'acquire') {
            const abort = new AbortController();
            aborts.push(abort);
            pending += 1;
            void pool
              .acquire({ signal: abort.signal })
              .then(
                (lease) => held.push(lease),
                () => {},
              )
              .finally(() => {
                pending -= 1;
              });
          } else if (what === 'abort') aborts.splice(n % (aborts.length || 1), 1)[0]?.abort();
          else if (what === 'break') sessions[n % (sessions.length || 1)]?.end();
          else if (what === 'pass') await clock.advance(n * 10);
          else held.splice(n % (held.length || 1), 1)[0]?.[what]();
          if (n % 2 === 0) await turn();
          const { streams, idle, waiting } = pool.stats();
          expect(streams).toBeLessThanOrEqual(3);
          expect(idle).toBeLessThanOrEqual(2);
          expect(waiting).toBeLessThanOrEqual(4);
          const lent = held.map(({ session }) => session);
          expect(new Set(lent).size).toBe(lent.length);
        }
        for (const lease of held.splice(0)) lease.release();
        while (pending > 0) {
          await turn();
          for (const lease of held.splice(0)) lease.release();
        }
        const closing = pool.close();
        await turn();
        await closing;
        expect(pool.stats()).toEqual({ streams: 0, idle: 0, lent: 0, waiting: 0 });
      }),
      { numRuns: 150 },
    );
  });
});
