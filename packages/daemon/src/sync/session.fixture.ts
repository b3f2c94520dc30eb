import type { BidiStream, IncomingStream } from '@landropic/quic';
import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import type { OverloadOptions } from '../core/session/overload-policy.js';
import type { FolderState } from '../core/wire/frames.js';
import type { ChunkSupplier } from './content-fetch.js';
import { HandPeer } from './hand-peer.fixture.js';
import { type MemoryDevice, MemoryDevices } from './memory-devices.fixture.js';
import { PeerSession } from './peer-session.js';
import { FakeFolder } from './shared-folder.fixture.js';

export const indexIdOf = (digit: string) => digit.repeat(16) as IndexId;

/** What a peer says of a folder that it shares. */
export function stateOf(folder: string, sequence = 0, indexId = indexIdOf('b')): FolderState {
  const id = folder as FolderId;
  return { folder: id, label: folder, indexId, sequence, commitTag: '00'.repeat(8), holding: undefined };
}

/** A session of the device `own` with the device `hand`, which speaks by hand; it is chosen once it is established. */
export class SessionWorld {
  readonly devices = new MemoryDevices();
  readonly own: MemoryDevice = this.devices.add('own');
  readonly hand: MemoryDevice = this.devices.add('hand');
  readonly folders = new Map<FolderId, FakeFolder>();
  /** What the session told its owner, one line each. */
  readonly events: string[] = [];
  chooses = true;
  random: (() => number) | undefined;
  overload: OverloadOptions = {};
  /** Requests of the peer that its chunk server has not answered. */
  serving = 0;
  /** What was asked of the peer by the chunk client. */
  readonly requests: Parameters<ChunkSupplier['request']>[2][] = [];
  private takeStream: ((stream: IncomingStream) => void) | undefined;
  private current: PeerSession | undefined;

  get session(): PeerSession {
    if (this.current === undefined) throw new Error('there is no session yet');
    return this.current;
  }

  share(id: string, indexId = indexIdOf('a')): FakeFolder {
    const folder = new FakeFolder(id as FolderId, indexId);
    this.folders.set(folder.id, folder);
    return folder;
  }

  /** The hand's connection, accepted by a session. */
  async dialled(): Promise<HandPeer> {
    const peer = await HandPeer.dial(this.devices, this.hand, this.own);
    await this.devices.settle();
    const [connection] = this.own.incoming.slice(-1);
    if (connection === undefined) throw new Error('the connection did not arrive');
    const { events } = this;
    const onStream = connection.onStream.bind(connection);
    connection.onStream = (handler) => {
      this.takeStream = handler;
      onStream(handler);
    };
    this.current = new PeerSession({
      connection,
      device: 'hand' as DeviceKey,
      clock: this.devices.clock,
      identity: { bootId: 'boot of own', name: 'own', software: 't' },
      sessionId: 'session',
      sharedFolders: () => this.folders,
      exchange: () => ({
        client: { request: (_folder, _chunks, reply) => this.requests.push(reply), close: () => {} },
        serving: () => this.serving,
        serve: async (stream: BidiStream) => {
          events.push('serves chunks');
          await stream.read();
        },
      }),
      ...(this.random === undefined ? {} : { random: this.random }),
      overload: this.overload,
      events: {
        established: (session) => {
          events.push('established');
          if (this.chooses) session.activate();
        },
        offered: (_, states) => events.push(...states.map(({ folder }) => `offered ${folder}`)),
        shared: (_, folder) => events.push(`shared ${folder}`),
        withdrawn: (_, folder) => events.push(`withdrawn ${folder}`),
        violated: (_, text) => events.push(`violated: ${text}`),
        reported: (_, text) => events.push(`reported: ${text}`),
        failed: (_, error) => events.push(`failed: ${String(error)}`),
      },
    });
    this.current.start();
    return peer;
  }

  /** The hand opens a stream and sends nothing on it, which QUIC can, and the network in memory cannot. */
  openSilently(): void {
    const never = new Promise<never>(() => {});
    this.takeStream?.({
      kind: 'uni',
      id: 99,
      read: () => never,
      stop: () => {},
    } as unknown as IncomingStream);
  }

  /** The same, with the handshake done. */
  async established(theirFolders: readonly FolderState[] = []): Promise<HandPeer> {
    const peer = await this.dialled();
    await peer.handshake(theirFolders);
    return peer;
  }
}
