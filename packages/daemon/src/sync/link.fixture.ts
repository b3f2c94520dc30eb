import {
  type CloseInfo,
  type Connection,
  type ConnectionPoolOptions,
  PeerConnector,
  type VerifyPeer,
} from '@landropic/quic';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import { ALPN } from '../core/wire/frame-types.js';
import type { MemoryDevice, MemoryDevices } from './memory-devices.fixture.js';
import { PeerLink, type SessionOfLink } from './peer-link.js';
import { type ChunkExchange, PeerSession } from './peer-session.js';
import type { FakeFolder } from './shared-folder.fixture.js';

/** One device's side of a link, over a real connector on a network in memory. */
export class LinkSide {
  /** `up`, `down CODE`, `violated: …`, with what else its owner is told. */
  readonly events: string[] = [];
  readonly folders = new Map<FolderId, FakeFolder>();
  readonly downs: CloseInfo[] = [];
  /** Every connection that a session began on, in order. */
  readonly opened: Connection[] = [];
  private readonly gone = new Set<Connection>();
  dials = 0;
  loopUtilisation = 0;
  /** The chunk side of each connection. */
  exchange: (connection: Connection, onFailure: (error: unknown) => void) => ChunkExchange = () => ({
    client: { request: () => {}, close: () => {} },
    serve: async () => {},
  });
  bootId: string;
  readonly link: PeerLink;

  constructor(
    private readonly devices: MemoryDevices,
    private readonly own: MemoryDevice,
    private readonly peer: MemoryDevice,
    options: { readonly random?: () => number; readonly pool?: ConnectionPoolOptions } = {},
  ) {
    const { random = () => 0.5 } = options;
    this.bootId = `boot of ${own.id}`;
    this.link = new PeerLink({
      device: peer.id,
      ownDevice: own.id,
      clock: devices.clock,
      createConnector: (onConnection, onFailed) => this.connector(random, onConnection, onFailed),
      createSession: (connection, ofLink) => this.session(connection, ofLink),
      connect: (address, signal) =>
        own.endpoint.connect(address, { alpn: ALPN, verifyPeer: verifyOnly(peer.id), signal }),
      random,
      createLoopUtilisation: () => () => this.loopUtilisation,
      ...(options.pool === undefined ? {} : { pool: options.pool }),
      events: {
        up: () => this.events.push('up'),
        down: (info) => {
          this.downs.push(info);
          this.events.push(`down ${info.code ?? info.by}`);
        },
        notReached: (info) => this.events.push(`not reached ${info.code ?? info.by}`),
      },
    });
    own.endpoint.onConnection((connection) => this.link.adopt(connection));
  }

  start(): void {
    this.link.start([this.peer.address]);
  }

  isOpen(connection: Connection): boolean {
    return !this.gone.has(connection);
  }

  private connector(
    random: () => number,
    onConnection: (connection: Connection) => void,
    onAttemptFailed: (error: unknown) => void,
  ): PeerConnector {
    const { clock } = this.devices;
    const expected = this.peer.id;
    const endpoint: Pick<MemoryDevice['endpoint'], 'connect'> = {
      connect: (address, options) => {
        this.dials++;
        return this.own.endpoint.connect(address, options);
      },
    };
    return new PeerConnector(
      {
        endpoint,
        alpn: ALPN,
        verifyPeer: verifyOnly(expected),
        clock: { nowMs: clock.monotonicMs, after: clock.after },
        random,
      },
      { addresses: [], onConnection, onAttemptFailed },
    );
  }

  private session(
    connection: Connection,
    { connectionRole, spread, established, retired }: SessionOfLink,
  ): PeerSession {
    this.opened.push(connection);
    void connection.closed.then(() => this.gone.add(connection));
    return new PeerSession({
      connection,
      device: this.peer.id as DeviceKey,
      clock: this.devices.clock,
      identity: { bootId: this.bootId, name: this.own.id, software: 't' },
      sessionId: 'session',
      sharedFolders: () => this.folders,
      exchange: (onFailure) => this.exchange(connection, onFailure),
      connectionRole,
      spread,
      events: {
        established,
        retired,
        offered: () => {},
        shared: () => {},
        withdrawn: () => {},
        violated: (_, text) => this.events.push(`violated: ${text}`),
        reported: (_, text) => this.events.push(`reported: ${text}`),
        failed: (_, error) => this.events.push(`failed: ${String(error)}`),
      },
    });
  }
}

function verifyOnly(expected: DeviceKey): VerifyPeer {
  return ([leaf]) => {
    const key = Buffer.from(leaf ?? []).toString();
    return key === expected
      ? { accepted: true, identity: { key } }
      : { accepted: false, closeCode: 4, reason: 'not paired' };
  };
}
