import type { CloseInfo, Connection, SocketAddress } from '@landropic/quic';
import { decidePrimary, type PrimaryCandidate, TransportError } from '@landropic/quic';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { CloseCode } from '../core/wire/frame-types.js';
import { HealthWatch } from './health-watch.js';
import type { PeerSession } from './peer-session.js';

/** Dials a device for as long as no session with it is up. */
export interface Connector {
  start(): void;
  stop(): void;
  setAddresses(addresses: readonly SocketAddress[], options: { readonly fresh: boolean }): void;
  kick(): void;
  connected(connection: Connection): void;
  lost(info: CloseInfo): void;
}

export interface PeerLinkDependencies {
  readonly device: DeviceKey;
  readonly ownDevice: DeviceKey;
  readonly clock: Clock;
  readonly createConnector: (
    onConnection: (connection: Connection) => void,
    onFailed: (error: unknown) => void,
  ) => Connector;
  readonly createSession: (
    connection: Connection,
    events: { established: (session: PeerSession) => void },
  ) => PeerSession;
  readonly events: PeerLinkEvents;
}

export interface PeerLinkEvents {
  /** A session is the primary one now, and about to exchange folders. */
  up(session: PeerSession): void;
  /** The primary session ended, and no other has taken its place. */
  down(info: CloseInfo): void;
  /** A connection ended that never became the primary one, and nothing else is up. */
  notReached(info: CloseInfo): void;
}

/** One paired device: dials it, takes its connections, and keeps exactly one of them as the primary. */
export class PeerLink {
  private readonly connector: Connector;
  /** With the order in which they were opened. */
  private readonly sessions = new Map<PeerSession, number>();
  private opened = 0;
  private primary: PeerSession | undefined;
  private lastClose: CloseInfo | undefined;
  private health: HealthWatch | undefined;
  private upSinceMs: number | undefined;
  private stopped = false;
  private bytesBefore = { in: 0, out: 0 };

  constructor(private readonly deps: PeerLinkDependencies) {
    this.connector = deps.createConnector(
      (connection) => this.adopt(connection),
      (error) => this.dialFailed(error),
    );
  }

  get session(): PeerSession | undefined {
    return this.primary;
  }

  get connections(): number {
    return this.sessions.size;
  }

  /** How the last session or attempt ended, while there is none. */
  get closeInfo(): CloseInfo | undefined {
    return this.primary === undefined ? this.lastClose : undefined;
  }

  /** For how long the session has been up; undefined while there is none. */
  get upForMs(): number | undefined {
    return this.upSinceMs === undefined ? undefined : this.deps.clock.monotonicMs() - this.upSinceMs;
  }

  /** Bytes moved with this device since the daemon started. */
  traffic(): { readonly in: number; readonly out: number } {
    const total = { ...this.bytesBefore };
    for (const session of this.sessions.keys()) {
      const { bytesIn, bytesOut } = session.connection.stats();
      total.in += bytesIn;
      total.out += bytesOut;
    }
    return total;
  }

  start(addresses: readonly SocketAddress[]): void {
    this.connector.setAddresses(addresses, { fresh: false });
    this.connector.start();
  }

  setAddresses(addresses: readonly SocketAddress[], options: { readonly fresh: boolean }): void {
    this.connector.setAddresses(addresses, options);
  }

  kick(): void {
    this.connector.kick();
  }

  /** Takes a connection to this device, whoever dialled it. */
  adopt(connection: Connection): void {
    if (this.stopped) {
      void connection.close(CloseCode.shuttingDown, 'shutting down');
      return;
    }
    const session = this.deps.createSession(connection, {
      established: (established) => this.decide(established),
    });
    this.sessions.set(session, this.opened++);
    void connection.closed.then((info) => this.ended(session, info));
    session.start();
  }

  async stop(code: CloseCode, reason: string): Promise<void> {
    this.stopped = true;
    this.connector.stop();
    this.health?.stop();
    await Promise.all(
      [...this.sessions.keys()].map((session) =>
        code === CloseCode.shuttingDown ? session.leave() : session.close(code, reason),
      ),
    );
  }

  private decide(candidate: PeerSession): void {
    if (candidate.peer?.role === 'data') {
      void candidate.close(CloseCode.handshakeFailed, 'no data connections here');
      return;
    }
    const current = this.primary;
    if (current !== undefined && !this.isBetter(candidate, current)) {
      void candidate.close(CloseCode.duplicateConnection, 'another connection stays');
      return;
    }
    this.primary = candidate;
    this.upSinceMs = this.deps.clock.monotonicMs();
    this.connector.connected(candidate.connection);
    // The old one ends first: a folder is on one session of a device at a time.
    if (current !== undefined) void current.close(CloseCode.duplicateConnection, 'another connection stays');
    this.watchHealth(candidate);
    this.deps.events.up(candidate);
    candidate.activate();
  }

  private isBetter(candidate: PeerSession, current: PeerSession): boolean {
    const { ownDevice, device } = this.deps;
    const decision = decidePrimary(this.candidateOf(current), this.candidateOf(candidate), ownDevice, device);
    return decision === 'replace';
  }

  private candidateOf(session: PeerSession): PrimaryCandidate {
    const { connection, peer } = session;
    return {
      dialledByUs: connection.role === 'dialler',
      bootId: peer?.bootId,
      opened: this.sessions.get(session) ?? 0,
    };
  }

  private ended(session: PeerSession, info: CloseInfo): void {
    this.sessions.delete(session);
    const { bytesIn, bytesOut } = session.connection.stats();
    this.bytesBefore = { in: this.bytesBefore.in + bytesIn, out: this.bytesBefore.out + bytesOut };
    const wasPrimary = this.primary === session;
    if (wasPrimary) {
      this.primary = undefined;
      this.upSinceMs = undefined;
      this.health?.stop();
    } else if (this.primary !== undefined || this.sessions.size > 0) return;
    if (info.code !== CloseCode.duplicateConnection) this.lastClose = info;
    if (this.stopped) return;
    this.connector.lost(info);
    if (wasPrimary) this.deps.events.down(info);
    else this.deps.events.notReached(info);
  }

  /** A peer may refuse us before its connection was handed over. */
  private dialFailed(error: unknown): void {
    const info = error instanceof TransportError ? error.details.closeInfo : undefined;
    if (info?.by === 'peer') this.lastClose = info;
  }

  /** Finds an application that hangs: the transport's own timeout finds a dead path only. */
  private watchHealth(session: PeerSession): void {
    this.health?.stop();
    this.health = new HealthWatch({
      clock: this.deps.clock,
      ping: (timeoutMs) => session.ping(timeoutMs),
      onDead: () => void session.close(CloseCode.internalError, 'no answer to pings'),
    });
  }
}
