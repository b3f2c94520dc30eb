import type { CloseInfo, Connection, SocketAddress } from '@landropic/quic';
import { decidePrimary, type PrimaryCandidate } from '@landropic/quic';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { CloseCode } from '../core/wire/frame-types.js';
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
  up(device: DeviceKey, session: PeerSession): void;
  down(device: DeviceKey, info: CloseInfo): void;
}

const HEALTH_INTERVAL_MS = 30_000;
const HEALTH_DEADLINE_MS = 10_000;
const MISSES_UNTIL_REPLACED = 3;

/** One paired device: dials it, takes its connections, and keeps exactly one of them as the primary. */
export class PeerLink {
  private readonly connector: Connector;
  /** With the order in which they were opened. */
  private readonly sessions = new Map<PeerSession, number>();
  private opened = 0;
  private primary: PeerSession | undefined;
  private lastClose: CloseInfo | undefined;
  private lastFailure: unknown;
  private cancelHealth: (() => void) | undefined;
  private stopped = false;
  private bytesBefore = { in: 0, out: 0 };

  constructor(private readonly deps: PeerLinkDependencies) {
    this.connector = deps.createConnector(
      (connection) => this.adopt(connection),
      (error) => {
        this.lastFailure = error;
      },
    );
  }

  get session(): PeerSession | undefined {
    return this.primary;
  }

  get connections(): number {
    return this.sessions.size;
  }

  /** Why there is no session, as far as is known. */
  get closeInfo(): CloseInfo | undefined {
    return this.primary === undefined ? this.lastClose : undefined;
  }

  get failure(): unknown {
    return this.primary === undefined ? this.lastFailure : undefined;
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
    this.armHealthCheck();
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
    this.cancelHealth?.();
    await Promise.all([...this.sessions.keys()].map((session) => session.close(code, reason)));
  }

  private decide(candidate: PeerSession): void {
    const current = this.primary;
    if (current !== undefined) {
      const decision = decidePrimary(
        this.candidateOf(current),
        this.candidateOf(candidate),
        this.deps.ownDevice,
        this.deps.device,
      );
      if (decision === 'keep-current') {
        void candidate.close(CloseCode.duplicateConnection, 'another connection stays');
        return;
      }
    }
    this.primary = candidate;
    this.lastFailure = undefined;
    this.connector.connected(candidate.connection);
    if (current !== undefined) void current.close(CloseCode.duplicateConnection, 'another connection stays');
    candidate.activate();
    this.deps.events.up(this.deps.device, candidate);
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
    if (this.primary !== undefined && this.primary !== session) return;
    this.primary = undefined;
    if (info.code !== CloseCode.duplicateConnection) this.lastClose = info;
    if (this.stopped) return;
    this.connector.lost(info);
    this.deps.events.down(this.deps.device, info);
  }

  /** Finds an application that hangs: the transport's own timeout finds a dead path only. */
  private armHealthCheck(misses = 0): void {
    this.cancelHealth = this.deps.clock.after(HEALTH_INTERVAL_MS, () => {
      const session = this.primary;
      if (session === undefined) {
        this.armHealthCheck();
        return;
      }
      session.ping(HEALTH_DEADLINE_MS).then(
        () => this.stopped || this.armHealthCheck(),
        () => {
          if (this.stopped) return;
          if (misses + 1 >= MISSES_UNTIL_REPLACED && this.primary === session) {
            void session.close(CloseCode.internalError, 'no answer to pings');
          }
          this.armHealthCheck(this.primary === session ? misses + 1 : 0);
        },
      );
    });
  }
}
