import { randomBytes } from 'node:crypto';
import type { SocketAddress, TlsCredentials, VerifyPeer } from '../transport.js';
import { LOCAL_HOST_PORT } from './address.js';
import { QuicConnection } from './connection.js';
import type { ConnectionHost } from './connection-host.js';
import {
  CONNECTION_ID_BYTES,
  createConnectionId,
  deriveResetToken,
  resetTokenNumber,
} from './connection-id.js';
import { HalfOpenCounter } from './half-open.js';
import { findPacketTarget } from './interface-mtu.js';
import { isInitial } from './packet-header.js';
import { PeerPath } from './peer-path.js';
import { MIN_PACKET_BYTES, type QuicheConfig, quiche } from './quiche-binding.js';
import { mintRetryToken, openRetryToken } from './retry-token.js';
import { buildQuicheConfig } from './tls-config.js';

export interface AcceptorSetup {
  readonly credentials: TlsCredentials;
  readonly verifyPeer: VerifyPeer;
  readonly maxPacketBytes: number | undefined;
  readonly resetKey: Uint8Array;
  readonly register: (connection: QuicConnection, ids: readonly Uint8Array[]) => void;
}

export interface AcceptorHost extends ConnectionHost {
  readonly localAddress: SocketAddress;
  sendDatagram(datagram: Uint8Array, to: SocketAddress): void;
}

/** Turns Initial packets of strangers into connections, within what strangers may cost. */
export class Acceptor {
  readonly #config: QuicheConfig;
  readonly #counter: HalfOpenCounter;
  readonly #retryKey = randomBytes(32);
  /** The host under which each half-open connection was counted: it must not change when the peer moves. */
  readonly #halfOpen = new Map<QuicConnection, string>();
  #protocols: readonly string[] = [];

  constructor(
    private readonly host: AcceptorHost,
    private readonly setup: AcceptorSetup,
  ) {
    this.#config = buildQuicheConfig(setup.credentials, host.profile);
    this.#counter = new HalfOpenCounter(host.admission);
  }

  get halfOpen(): number {
    return this.#counter.halfOpen;
  }

  setProtocols(protocols: readonly string[]): void {
    this.#protocols = [...protocols];
  }

  handleSettled(connection: QuicConnection): void {
    const host = this.#halfOpen.get(connection);
    if (host === undefined) return;
    this.#halfOpen.delete(connection);
    this.#counter.handleSettled(host);
  }

  handleEnded(connection: QuicConnection): void {
    this.handleSettled(connection);
    this.#counter.handleEnded();
  }

  /** A new connection for this packet, or undefined when it opens none. */
  accept(datagram: Buffer, version: number, remote: SocketAddress): QuicConnection | undefined {
    // Without a protocol quiche would accept any; and small first packets would let us be used as an amplifier.
    if (this.#protocols.length === 0 || datagram.length < MIN_PACKET_BYTES) return undefined;
    if (!quiche.versionIsSupported(version)) {
      this.#negotiateVersion(datagram, remote);
      return undefined;
    }
    if (!isInitial(datagram, version)) return undefined;
    let header: ReturnType<typeof quiche.Header.fromSlice>;
    try {
      header = quiche.Header.fromSlice(datagram, CONNECTION_ID_BYTES);
    } catch {
      return undefined;
    }
    const original = this.#openToken(header.token, header.dcid, remote);
    const decision = this.#counter.decide(remote.host, original !== undefined);
    if (decision === 'ignore') return undefined;
    if (decision === 'retry') {
      this.#sendRetry(header, version, remote);
      return undefined;
    }
    return this.#start(header.dcid, original, remote);
  }

  #start(destinationId: Uint8Array, original: Buffer | undefined, remote: SocketAddress): QuicConnection {
    // After a Retry the ID chosen there stays; before one, the dialler's is only a random number.
    const sourceId = original === undefined ? createConnectionId() : Buffer.from(destinationId);
    const target = Math.min(
      this.setup.maxPacketBytes ?? Number.POSITIVE_INFINITY,
      findPacketTarget(remote.host),
    );
    const path = new PeerPath(remote, 'acceptor');
    this.#config.setApplicationProtos([...this.#protocols]);
    this.#config.setMaxSendUdpPayloadSize(target);
    this.#config.setStatelessResetToken(resetTokenNumber(deriveResetToken(this.setup.resetKey, sourceId)));
    const connection = new QuicConnection(this.host, {
      id: sourceId.toString('hex'),
      role: 'acceptor',
      quiche: quiche.Connection.accept(
        sourceId,
        original ?? null,
        LOCAL_HOST_PORT,
        path.quicheAddress,
        this.#config,
      ),
      path,
      verifyPeer: this.setup.verifyPeer,
      localAddress: this.host.localAddress,
      packetTargetBytes: target,
      handshakeTimeoutMs: this.host.admission.handshakeTimeoutMs,
    });
    this.#halfOpen.set(connection, remote.host);
    this.#counter.handleStarted(remote.host);
    this.setup.register(connection, original === undefined ? [sourceId, destinationId] : [sourceId]);
    return connection;
  }

  #openToken(
    token: Uint8Array | undefined,
    retryConnectionId: Uint8Array,
    remote: SocketAddress,
  ): Buffer | undefined {
    if (token === undefined || token.length === 0) return undefined;
    return openRetryToken(this.#retryKey, { remote, retryConnectionId }, token, performance.now());
  }

  #sendRetry(header: { scid: Uint8Array; dcid: Uint8Array }, version: number, remote: SocketAddress): void {
    const retryConnectionId = createConnectionId();
    const context = { remote, retryConnectionId };
    const token = mintRetryToken(this.#retryKey, context, header.dcid, performance.now());
    const out = Buffer.alloc(MIN_PACKET_BYTES);
    const length = quiche.retry(header.scid, header.dcid, retryConnectionId, token, version, out);
    this.host.sendDatagram(out.subarray(0, length), remote);
  }

  #negotiateVersion(datagram: Buffer, remote: SocketAddress): void {
    try {
      const header = quiche.Header.fromSlice(datagram, CONNECTION_ID_BYTES);
      const out = Buffer.alloc(MIN_PACKET_BYTES);
      const length = quiche.negotiateVersion(header.scid, header.dcid, out);
      this.host.sendDatagram(out.subarray(0, length), remote);
    } catch {
      // No header that anybody could answer.
    }
  }
}
