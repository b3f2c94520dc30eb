import { type CloseInfo, type Connection, PeerConnector } from '@landropic/quic';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import { ALPN } from '../core/wire/frame-types.js';
import type { MemoryDevice, MemoryDevices } from './memory-devices.fixture.js';
import { PeerLink } from './peer-link.js';
import { PeerSession } from './peer-session.js';
import type { FakeFolder } from './shared-folder.fixture.js';

/** One device's side of a link, over a real connector on a network in memory. */
export class LinkSide {
  /** `up`, `down CODE`, `violated: …`, with what else its owner is told. */
  readonly events: string[] = [];
  readonly folders = new Map<FolderId, FakeFolder>();
  readonly downs: CloseInfo[] = [];
  dials = 0;
  bootId: string;
  readonly link: PeerLink;

  constructor(
    private readonly devices: MemoryDevices,
    private readonly own: MemoryDevice,
    private readonly peer: MemoryDevice,
    options: { readonly random?: () => number } = {},
  ) {
    const { random = () => 0.5 } = options;
    this.bootId = `boot of ${own.id}`;
    this.link = new PeerLink({
      device: peer.id,
      ownDevice: own.id,
      clock: devices.clock,
      createConnector: (onConnection, onFailed) => this.connector(random, onConnection, onFailed),
      createSession: (connection, { established }) => this.session(connection, established),
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
        verifyPeer: ([leaf]) => {
          const key = Buffer.from(leaf ?? []).toString();
          return key === expected
            ? { accepted: true, identity: { key } }
            : { accepted: false, closeCode: 4, reason: 'not paired' };
        },
        clock: { nowMs: clock.monotonicMs, after: clock.after },
        random,
      },
      { addresses: [], onConnection, onAttemptFailed },
    );
  }

  private session(connection: Connection, established: (session: PeerSession) => void): PeerSession {
    return new PeerSession({
      connection,
      device: this.peer.id as DeviceKey,
      clock: this.devices.clock,
      identity: { bootId: this.bootId, name: this.own.id, software: 't' },
      sessionId: 'session',
      sharedFolders: () => this.folders,
      exchange: () => ({ client: { request: () => {}, close: () => {} }, serve: async () => {} }),
      events: {
        established,
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
