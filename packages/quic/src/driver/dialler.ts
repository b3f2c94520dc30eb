import { isIP } from 'node:net';
import {
  type CloseInfo,
  type Connection,
  type DialOptions,
  type SocketAddress,
  type TlsCredentials,
  TransportError,
} from '../transport.js';
import { Waiter } from '../waiter.js';
import { QuicConnection } from './connection.js';
import type { ConnectionHost } from './connection-host.js';
import { createConnectionId } from './connection-id.js';
import { addressKey, LOCAL_HOST_PORT, withoutZone } from './path/address.js';
import type { PacketTargets } from './path/packet-targets.js';
import { PeerPath } from './path/peer-path.js';
import { type QuicheConfig, quiche } from './quiche-binding.js';
import { buildQuicheConfig } from './tls-config.js';

const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;
/** An acceptor takes no more than 64 KiB of packets before it knows the peer. */
const MAX_EARLY_BYTES = 16 * 1024;

export interface DiallerSetup {
  readonly credentials: TlsCredentials;
  readonly packetTargets: PacketTargets;
  readonly register: (connection: QuicConnection, ids: readonly Uint8Array[]) => void;
}

export interface DiallerHost extends ConnectionHost {
  readonly localAddress: SocketAddress;
}

/** Outgoing connections until their peer is verified. */
export class Dialler {
  readonly #config: QuicheConfig;
  readonly #pending = new Map<QuicConnection, Waiter<Connection>>();
  /** Every dialled connection by the address it leads to: a stateless reset carries no connection ID. */
  readonly #byAddress = new Map<string, Set<QuicConnection>>();

  constructor(
    private readonly host: DiallerHost,
    private readonly setup: DiallerSetup,
  ) {
    this.#config = buildQuicheConfig(setup.credentials, host.profile);
    this.#config.enableEarlyData();
  }

  get pending(): number {
    return this.#pending.size;
  }

  async connect(remote: SocketAddress, options: DialOptions): Promise<Connection> {
    const { signal } = options;
    if (signal?.aborted === true) throw abortedDial(signal);
    if (isIP(withoutZone(remote.host)) === 0 || !isPort(remote.port)) throw noAddress(remote);
    if ((options.earlyData?.length ?? 0) > MAX_EARLY_BYTES) throw new RangeError('too much early data');
    const connection = this.#start(remote, options);
    const waiter = new Waiter<Connection>();
    this.#pending.set(connection, waiter);
    const onAbort = (): void => {
      if (signal !== undefined) this.#abandon(connection, abortedDial(signal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#resume(connection, options);
    this.host.schedule(connection);
    try {
      return await waiter.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  abortAll(error: TransportError): void {
    for (const connection of [...this.#pending.keys()]) this.#abandon(connection, error);
  }

  handleVerified(connection: QuicConnection): void {
    this.#take(connection)?.resolve(connection);
  }

  handleRejected(connection: QuicConnection, closeCode: number, reason: string): void {
    const closeInfo: CloseInfo = { by: 'local', code: closeCode, reason };
    this.#take(connection)?.reject(
      new TransportError('peer-rejected', `the peer was refused: ${reason}`, { closeInfo }),
    );
  }

  /**
   * Lets the connections with this address look whether a packet that fits none of them resets one. Only acceptors give
   * out reset tokens, so only dialled connections can be reset. Whether one was.
   */
  handleReset(datagram: Buffer, host: string, port: number): boolean {
    for (const connection of this.#byAddress.get(addressKey({ host, port })) ?? []) {
      if (!connection.isVerified) continue;
      connection.receive(Buffer.from(datagram), host, port);
      if (connection.quiche.isClosed()) return true;
    }
    return false;
  }

  /** The peer of this connection has another address than before. */
  handleMoved(connection: QuicConnection, from: SocketAddress): void {
    this.#removeAddress(connection, from);
    this.#addAddress(connection, connection.remoteAddress);
  }

  handleEnded(connection: QuicConnection): void {
    this.#removeAddress(connection, connection.remoteAddress);
    const waiter = this.#take(connection);
    if (waiter === undefined) return;
    void connection.closed.then((closeInfo) => waiter.reject(describeFailure(closeInfo)));
  }

  #start(remote: SocketAddress, options: DialOptions): QuicConnection {
    const sourceId = createConnectionId();
    const path = new PeerPath(remote, 'dialler');
    const target = this.setup.packetTargets.find(remote.host, performance.now());
    this.#config.setApplicationProtos([options.alpn]);
    this.#config.setMaxSendUdpPayloadSize(target);
    const connection = new QuicConnection(this.host, {
      id: sourceId.toString('hex'),
      role: 'dialler',
      quiche: quiche.Connection.connect(null, sourceId, LOCAL_HOST_PORT, path.quicheAddress, this.#config),
      path,
      verifyPeer: options.verifyPeer,
      localAddress: this.host.localAddress,
      packetTargetBytes: target,
      handshakeTimeoutMs: options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS,
      storeSession:
        options.resumption === undefined
          ? undefined
          : (peerKey, alpn, session) => options.resumption?.sessions.put(peerKey, alpn, session),
    });
    this.setup.register(connection, [sourceId]);
    this.#addAddress(connection, remote);
    return connection;
  }

  #addAddress(connection: QuicConnection, address: SocketAddress): void {
    const key = addressKey(address);
    const siblings = this.#byAddress.get(key) ?? new Set();
    this.#byAddress.set(key, siblings.add(connection));
  }

  #removeAddress(connection: QuicConnection, address: SocketAddress): void {
    const key = addressKey(address);
    const siblings = this.#byAddress.get(key);
    siblings?.delete(connection);
    if (siblings?.size === 0) this.#byAddress.delete(key);
  }

  #resume(connection: QuicConnection, { alpn, resumption, earlyData }: DialOptions): void {
    const session = resumption?.sessions.take(resumption.peerKey, alpn);
    if (session !== undefined) setSession(connection, session);
    if (earlyData !== undefined) connection.startEarly(earlyData);
  }

  #abandon(connection: QuicConnection, error: TransportError): void {
    this.#take(connection)?.reject(error);
    connection.abandon(false, 0, { by: 'local', reason: error.message });
  }

  #take(connection: QuicConnection): Waiter<Connection> | undefined {
    const waiter = this.#pending.get(connection);
    this.#pending.delete(connection);
    return waiter;
  }
}

/** One that TLS does not take is no harm: then the handshake is a full one. */
function setSession(connection: QuicConnection, session: Uint8Array): void {
  try {
    connection.quiche.setSession(session);
  } catch {
    // It is gone from the cache already.
  }
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port <= 0xffff;
}

function noAddress(remote: SocketAddress): TransportError {
  return new TransportError('handshake-failed', `${remote.host} port ${remote.port} is no address to dial`);
}

function abortedDial(signal: AbortSignal): TransportError {
  return new TransportError('aborted', 'the attempt to connect was given up', { cause: signal.reason });
}

function describeFailure(closeInfo: CloseInfo): TransportError {
  if (closeInfo.by === 'timeout') {
    return new TransportError('handshake-timeout', 'no answer within the time for the handshake', {
      closeInfo,
    });
  }
  if (closeInfo.by === 'transport') {
    return new TransportError('handshake-failed', `the handshake failed: ${closeInfo.reason}`, { closeInfo });
  }
  return new TransportError('connection-closed', `the peer closed: ${closeInfo.reason}`, { closeInfo });
}
