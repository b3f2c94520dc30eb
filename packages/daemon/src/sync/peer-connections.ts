import {
  type Connection,
  ConnectionPool,
  type ConnectionPoolOptions,
  type PooledRole,
  type PoolState,
} from '@landropic/quic';
import type { Clock } from '../core/ports/clock.js';
import { CloseCode } from '../core/wire/frame-types.js';
import type { ChunkSupplier } from './content-fetch.js';
import type { PeerSession } from './peer-session.js';
import type { ChunkSpread } from './session-ports.js';
import { SpreadRequests } from './spread-requests.js';

export interface PeerConnectionsDependencies {
  readonly clock: Clock;
  readonly random: () => number;
  /** The share of time, 0 to 1, that the event loop was busy since the call before. */
  readonly loopUtilisation: () => number;
  /** Dials one more, and does its handshake. A new primary has taken over when this resolves. */
  readonly dial: (role: PooledRole, signal: AbortSignal) => Promise<PeerSession>;
}

/**
 * All connections with one run of a peer's program: the primary session, and those for data beside it. Watches that they
 * answer, has them replaced, and spreads the requests for chunks over them.
 */
export class PeerConnections {
  private readonly pool: ConnectionPool;
  private readonly sessions = new Map<string, PeerSession>();

  constructor(
    deps: PeerConnectionsDependencies,
    /** Of the peer: another one's connections are none of this run's. */
    readonly bootId: string,
    options: ConnectionPoolOptions = {},
  ) {
    const { clock } = deps;
    this.pool = new ConnectionPool(
      {
        clock: { nowMs: () => clock.monotonicMs(), after: clock.after },
        random: deps.random,
        loopUtilisation: deps.loopUtilisation,
        dial: async (role, signal) => {
          const session = await deps.dial(role, signal);
          this.add(session);
          return session.connection;
        },
        ping: (connection, timeoutMs) => this.ping(connection, timeoutMs),
        sayGoodbye: (connection, reason) => this.sessions.get(connection.id)?.sayGoodbye(reason),
      },
      { ...options, keepsPrimary: false },
    );
    this.pool.start();
  }

  /** The session that carries everything but data from now on. The one before must have ended. */
  setPrimary(session: PeerSession): void {
    this.add(session);
    this.pool.adopt(session.connection, 'primary');
  }

  /** A connection for data that the peer has dialled. False where there are enough. */
  adopt(session: PeerSession): boolean {
    if (!this.pool.adopt(session.connection, 'data')) return false;
    this.add(session);
    return true;
  }

  /** The peer asks for nothing more on it. */
  retire(session: PeerSession): void {
    this.pool.retire(session.connection);
  }

  /** Requests of a primary session, over all that is there when each is made. */
  spread(own: ChunkSupplier): ChunkSpread {
    const { pool, sessions } = this;
    return new SpreadRequests({
      pool,
      own,
      exchangeOf: (id) => sessions.get(id)?.chunks,
      serving: () => {
        let requests = 0;
        for (const { isData, chunks } of sessions.values()) if (isData) requests += chunks?.serving?.() ?? 0;
        return requests;
      },
    });
  }

  state(): PoolState {
    return this.pool.state();
  }

  stop(code: CloseCode = CloseCode.goodbye, reason = 'no primary connection any more'): Promise<void> {
    return this.pool.stop(code, reason);
  }

  private add(session: PeerSession): void {
    const { connection } = session;
    if (this.sessions.has(connection.id)) return;
    this.sessions.set(connection.id, session);
    void connection.closed.then(() => this.sessions.delete(connection.id));
  }

  private ping({ id }: Connection, timeoutMs: number): Promise<number> {
    const session = this.sessions.get(id);
    return session === undefined ? Promise.reject(new Error('no such session')) : session.ping(timeoutMs);
  }
}
