import type {
  CloseInfo,
  Connection,
  ConnectionPoolOptions,
  PooledRole,
  PoolState,
  SocketAddress,
} from '@landropic/quic';
import { decidePrimary, type PrimaryCandidate, TransportError } from '@landropic/quic';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { CloseCode } from '../core/wire/frame-types.js';
import { AwaitedSessions } from './awaited-sessions.js';
import type { ChunkSupplier } from './content-fetch.js';
import { PeerConnections } from './peer-connections.js';
import type { ChunkSpread, PeerSession } from './peer-session.js';

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
  readonly createSession: (connection: Connection, link: SessionOfLink) => PeerSession;
  /** Dials the device at this address, where it is connected already. */
  readonly connect: (address: SocketAddress, signal: AbortSignal) => Promise<Connection>;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Each call of what it gives: the share of time, 0 to 1, that the event loop was busy since the call before. */
  readonly createLoopUtilisation: () => () => number;
  readonly pool?: ConnectionPoolOptions;
  readonly events: PeerLinkEvents;
}

/** What a session has of the link it belongs to. */
export interface SessionOfLink {
  readonly connectionRole: PooledRole;
  readonly established: (session: PeerSession) => void;
  readonly retired: (session: PeerSession) => void;
  readonly spread: (own: ChunkSupplier) => ChunkSpread;
}

export interface PeerLinkEvents {
  /** A session is the primary one now, and about to exchange folders. */
  up(session: PeerSession): void;
  /** The primary session ended, and no other has taken its place. */
  down(info: CloseInfo): void;
  /** A connection ended that never became the primary one, and nothing else is up. */
  notReached(info: CloseInfo): void;
}

/**
 * One paired device: dials it, takes its connections, and keeps exactly one of them as the primary. Those for data live no
 * longer than it, unless another primary of the same run takes its place.
 */
export class PeerLink {
  private readonly connector: Connector;
  /** With the order in which they were opened. */
  private readonly sessions = new Map<PeerSession, number>();
  private opened = 0;
  private primary: PeerSession | undefined;
  private lastClose: CloseInfo | undefined;
  private pooled: PeerConnections | undefined;
  private readonly awaited = new AwaitedSessions();
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

  /** Every connection with the device, and how it fares; undefined while no session is up. */
  pool(): PoolState | undefined {
    return this.pooled?.state();
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
    this.begin(connection, 'primary');
  }

  async stop(code: CloseCode, reason: string): Promise<void> {
    this.stopped = true;
    this.connector.stop();
    const leaves = code === CloseCode.shuttingDown;
    // What is under way on connections for data ends as the primary sessions take leave.
    const first = [...this.sessions.keys()].filter(({ isData }) => !(leaves && isData));
    await Promise.all(first.map((session) => (leaves ? session.leave() : session.close(code, reason))));
    await Promise.all([...this.sessions.keys()].map((session) => session.close(code, reason)));
    await this.pooled?.stop(code, reason);
  }

  private begin(connection: Connection, connectionRole: PooledRole): PeerSession | undefined {
    if (this.stopped) {
      void connection.close(CloseCode.shuttingDown, 'shutting down');
      return undefined;
    }
    const session = this.deps.createSession(connection, {
      connectionRole,
      established: (established) => this.decide(established),
      retired: (retired) => this.pooled?.retire(retired),
      spread: (own) => this.requirePooled().spread(own),
    });
    this.sessions.set(session, this.opened++);
    void connection.closed.then((info) => this.ended(session, info));
    session.start();
    return session;
  }

  private decide(candidate: PeerSession): void {
    if (candidate.isData) {
      this.decideData(candidate);
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
    const isPeersChoice = candidate.connection.role === 'acceptor' && sameRun(current, candidate);
    if (isPeersChoice) current?.supersede();
    else void current?.close(CloseCode.duplicateConnection, 'another connection stays');
    this.awaited.chosen(candidate);
    this.poolOf(candidate.peer?.bootId ?? '').setPrimary(candidate);
    this.deps.events.up(candidate);
    candidate.activate();
  }

  private decideData(candidate: PeerSession): void {
    const { pooled } = this;
    if (this.primary === undefined || pooled?.bootId !== candidate.peer?.bootId)
      void candidate.close(CloseCode.handshakeFailed, 'no primary session to carry data for');
    else if (
      candidate.connection.role === 'dialler' ? this.awaited.chosen(candidate) : pooled?.adopt(candidate)
    )
      candidate.activate();
    else void candidate.close(CloseCode.limitExceeded, 'enough connections for data');
  }

  /** All connections with this run of the device's program; those with another are over. */
  private poolOf(bootId: string): PeerConnections {
    if (this.pooled?.bootId === bootId) return this.pooled;
    void this.pooled?.stop();
    const { clock, random, createLoopUtilisation } = this.deps;
    const dial = (role: PooledRole, signal: AbortSignal) => this.dialAnother(role, signal);
    this.pooled = new PeerConnections(
      { clock, random, loopUtilisation: createLoopUtilisation(), dial },
      bootId,
      this.deps.pool,
    );
    return this.pooled;
  }

  private requirePooled(): PeerConnections {
    if (this.pooled === undefined) throw new Error('chunks are asked for by a primary session only');
    return this.pooled;
  }

  /** While the primary is up: at the address where it is. One socket dials and accepts, so it can be dialled there. */
  private async dialAnother(role: PooledRole, signal: AbortSignal): Promise<PeerSession> {
    const current = this.primary;
    if (current === undefined || (role === 'primary' && !this.mayReplace(current)))
      throw new TransportError('aborted', 'it is the other side that has to dial');
    const session = this.begin(await this.deps.connect(current.connection.remoteAddress, signal), role);
    if (session === undefined) throw new TransportError('aborted', 'shutting down');
    return this.awaited.wait(session, signal);
  }

  /** Whether a new primary that is dialled here would be the one that stays. */
  private mayReplace(current: PeerSession): boolean {
    const { ownDevice, device } = this.deps;
    const bootId = current.peer?.bootId;
    const candidate = { dialledByUs: true, bootId, opened: this.opened };
    return decidePrimary(this.candidateOf(current), candidate, ownDevice, device) === 'replace';
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
    this.awaited.failed(session);
    const { bytesIn, bytesOut } = session.connection.stats();
    this.bytesBefore = { in: this.bytesBefore.in + bytesIn, out: this.bytesBefore.out + bytesOut };
    const wasPrimary = this.primary === session;
    if (wasPrimary) {
      this.primary = undefined;
      this.upSinceMs = undefined;
      // One that was dialled to replace it may still come up.
      this.awaited.failAll();
      void this.pooled?.stop();
      this.pooled = undefined;
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
}

function sameRun(one: PeerSession | undefined, other: PeerSession): boolean {
  return one?.peer?.bootId === other.peer?.bootId;
}
