import { createHmac } from 'node:crypto';
import { EndpointCounters } from '../endpoint-counters.js';
import {
  type CloseInfo,
  type Connection,
  type DialOptions,
  type Endpoint,
  type EndpointStats,
  type RejectedConnection,
  type SocketAddress,
  TransportError,
} from '../transport.js';
import { fileSync } from '../transport-profile.js';
import type { DatagramIo } from '../udp/datagram-io.js';
import { openDatagramIo } from '../udp/open-datagram-io.js';
import { Acceptor } from './admission/acceptor.js';
import type { Refusal } from './admission/peer-judgement.js';
import { StatelessReset } from './admission/stateless-reset.js';
import { Lingering } from './closing/lingering.js';
import { UnsentClose } from './closing/unsent-close.js';
import type { QuicConnection } from './connection.js';
import type { ConnectionHost } from './connection-host.js';
import { connectionIdKey } from './connection-id.js';
import { Dialler } from './dialler.js';
import { DEFAULT_ADMISSION, type QuicEndpointOptions } from './options.js';
import { isShortHeader, parseRoutingHeader, shortHeaderKey } from './packet-header.js';
import { PacketTargets } from './path/packet-targets.js';
import type { Route } from './route.js';
import type { ClosingDatagram } from './sending/packet-sender.js';
import { ReceiveSlab } from './streams/receive-slab.js';
import { TurnQueue } from './turn-queue.js';

const DEFAULT_SOCKET_BUFFER_BYTES = 8 * 1024 * 1024;
const SCRATCH_BYTES = 64 * 1024;
const CONGESTED_RETRY_MS = 1;

/**
 * Opens a UDP socket that dials and accepts QUIC connections.
 * Rejects with `listen-failed`; throws a TypeError for credentials that TLS does not take.
 */
export async function createQuicEndpoint(options: QuicEndpointOptions): Promise<Endpoint> {
  const bufferBytes = options.socketBufferBytes ?? DEFAULT_SOCKET_BUFFER_BYTES;
  const io = await openDatagramIo(options.datagramIo ?? 'auto', options.listen, {
    receiveBufferBytes: bufferBytes,
    sendBufferBytes: bufferBytes,
  });
  try {
    return new QuicEndpoint(io, options);
  } catch (cause) {
    await io.close();
    throw new TypeError('TLS does not take these credentials', { cause });
  }
}

/** Routes datagrams to connections by connection ID, and gives connections their turns. */
export class QuicEndpoint implements Endpoint, ConnectionHost {
  readonly receiveSlab = new ReceiveSlab();
  readonly scratch = new Uint8Array(SCRATCH_BYTES);
  readonly profile;
  readonly admission;
  readonly authenticateStream;
  readonly identification;
  readonly #routes = new Map<string, Route>();
  readonly #keys = new Map<QuicConnection, string[]>();
  readonly #acceptor: Acceptor;
  readonly #dialler: Dialler;
  readonly #reset: StatelessReset;
  readonly #lingering = new Lingering(this.#routes, (datagram, to) => this.sendDatagram(datagram, to));
  readonly #turns = new TurnQueue();
  readonly #congested = new Set<QuicConnection>();
  #isClosed = false;
  #connectionHandler: ((connection: Connection) => void) | undefined;
  #rejectedHandler: ((event: RejectedConnection) => void) | undefined;
  readonly counters = new EndpointCounters();
  #datagramsIn = 0;
  #datagramsOut = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(
    readonly io: DatagramIo,
    options: QuicEndpointOptions,
  ) {
    this.profile = options.profile ?? fileSync;
    this.admission = { ...DEFAULT_ADMISSION, ...options.admission };
    this.authenticateStream = options.authenticateStream;
    this.identification = options.identification;
    const setup = {
      credentials: options.credentials,
      verifyPeer: options.verifyPeer,
      packetTargets: new PacketTargets(options.maxPacketBytes),
      register: (connection: QuicConnection, ids: readonly Uint8Array[]) => this.#register(connection, ids),
    };
    // From the device's key, so that it is the same after a restart.
    const resetKey = createHmac('sha256', options.credentials.keyPem).update('quic stateless reset').digest();
    this.#reset = new StatelessReset(resetKey, performance.now());
    this.#acceptor = new Acceptor(this, { ...setup, resetKey, resumption: options.resumption });
    this.#dialler = new Dialler(this, setup);
    io.onDatagram((datagram, host, port) => this.#handleDatagram(datagram, host, port));
  }

  get localAddress(): SocketAddress {
    return this.io.localAddress;
  }

  connect(remote: SocketAddress, options: DialOptions): Promise<Connection> {
    if (this.#isClosed)
      return Promise.reject(new TransportError('endpoint-closed', 'the endpoint is closed'));
    this.counters.attempted += 1;
    return this.#dialler.connect(remote, options);
  }

  setAcceptedProtocols(protocols: readonly string[]): void {
    this.#acceptor.setProtocols(protocols);
  }

  onConnection(handler: (connection: Connection) => void): void {
    this.#connectionHandler = handler;
  }

  onRejected(handler: (event: RejectedConnection) => void): void {
    this.#rejectedHandler = handler;
  }

  refreshPaths(): void {
    for (const connection of this.#keys.keys()) if (connection.isVerified) connection.follower.refresh();
  }

  forgetSessions(): void {
    this.#acceptor.forgetSessions();
  }

  stats(): EndpointStats {
    return {
      connections: this.#keys.size,
      halfOpen: this.#acceptor.halfOpen + this.#dialler.pending,
      ...this.counters.read(),
      datagramsIn: this.#datagramsIn,
      datagramsOut: this.#datagramsOut,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      datagramIo: this.io.name,
    };
  }

  /** How many of each the endpoint keeps, for tests of what strangers can leave behind. */
  remembered(): { routes: number; connections: number; closing: number; addresses: number } {
    return {
      routes: this.#routes.size,
      connections: this.#keys.size,
      closing: this.#lingering.size,
      addresses: this.#acceptor.rememberedAddresses,
    };
  }

  async close(code: number, reason: string): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#acceptor.setProtocols([]);
      this.#dialler.abortAll(new TransportError('endpoint-closed', 'the endpoint was closed'));
      await Promise.all([...this.#keys.keys()].map((connection) => connection.close(code, reason)));
      await this.#lingering.finish();
      this.#routes.clear();
    }
    await this.io.close();
  }

  // --- ConnectionHost

  schedule(connection: QuicConnection): void {
    this.#turns.schedule(connection);
  }

  scheduleLater(connection: QuicConnection): void {
    this.#congested.add(connection);
    if (this.#congested.size > 1) return;
    setTimeout(() => {
      const congested = [...this.#congested];
      this.#congested.clear();
      for (const waiting of congested) this.schedule(waiting);
    }, CONGESTED_RETRY_MS);
  }

  countSent(packets: number, bytes: number): void {
    this.#datagramsOut += packets;
    this.#bytesOut += bytes;
  }

  handleVerified(connection: QuicConnection): void {
    if (connection.role === 'dialler') {
      this.#dialler.handleVerified(connection);
      return;
    }
    this.counters.accepted += 1;
    this.#acceptor.handleSettled(connection);
    this.#connectionHandler?.(connection);
  }

  handleMoved(connection: QuicConnection, from: SocketAddress): void {
    this.#dialler.handleMoved(connection, from);
  }

  handleRejected(connection: QuicConnection, { rejection, closeCode, reason }: Refusal): void {
    this.counters.handleRefused(connection, rejection, closeCode);
    if (connection.role === 'dialler') this.#dialler.handleRejected(connection, closeCode, reason);
    else this.#rejectedHandler?.({ remote: connection.remoteAddress, closeCode, reason });
  }

  handleEnded(
    connection: QuicConnection,
    info: CloseInfo,
    closing: ClosingDatagram | UnsentClose | undefined,
  ): void {
    this.counters.countEnded(connection, info);
    const keys = this.#keys.get(connection) ?? [];
    this.#keys.delete(connection);
    this.#turns.delete(connection);
    if (connection.role === 'dialler') this.#dialler.handleEnded(connection);
    else this.#acceptor.handleEnded(connection);
    for (const key of keys) this.#routes.delete(key);
    if (closing instanceof UnsentClose) this.#lingering.addUnsent(keys, closing, connection.remoteAddress);
    else if (closing !== undefined) this.#lingering.add(keys, closing, connection.remoteAddress);
  }

  // --- packets

  #register(connection: QuicConnection, ids: readonly Uint8Array[]): void {
    const keys = ids.map(connectionIdKey);
    this.#keys.set(connection, keys);
    for (const key of keys) this.#routes.set(key, connection);
  }

  #handleDatagram(datagram: Buffer, host: string, port: number): void {
    if (this.#isClosed && this.#routes.size === 0) return;
    this.#datagramsIn += 1;
    this.#bytesIn += datagram.length;
    if (isShortHeader(datagram)) {
      const key = shortHeaderKey(datagram);
      const route = key === undefined ? undefined : this.#routes.get(key);
      if (route === undefined) this.#handleUnknown(datagram, host, port);
      else route.receive(datagram, host, port);
      return;
    }
    const header = parseRoutingHeader(datagram);
    if (header?.form !== 'long') return;
    const route = this.#routes.get(header.destinationKey);
    if (route !== undefined) {
      route.receive(datagram, host, port);
      return;
    }
    if (this.#isClosed) return;
    const connection = this.#acceptor.accept(datagram, header.version, { host, port });
    connection?.receive(datagram, host, port);
  }

  /** A packet of no connection: the peer's reset of one of ours, or of a connection that is gone here. */
  #handleUnknown(datagram: Buffer, host: string, port: number): void {
    if (this.#isClosed) return;
    if (this.#dialler.handleReset(datagram, host, port)) return;
    const answer = this.#reset.answer(datagram, performance.now());
    if (answer === undefined) return;
    this.counters.resetsSent += 1;
    this.sendDatagram(answer, { host, port });
  }

  /** Sends a datagram that belongs to no live connection. */
  sendDatagram(datagram: Uint8Array, to: SocketAddress): void {
    const buffer = this.io.allocate(datagram.length);
    if (buffer === undefined) return;
    buffer.set(datagram);
    this.io.send(datagram.length, to.host, to.port);
    this.io.flush();
    this.countSent(1, datagram.length);
  }
}
