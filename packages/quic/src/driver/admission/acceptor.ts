import { randomBytes } from 'node:crypto';
import type { EndpointCounters } from '../../endpoint-counters.js';
import { TokenBucket } from '../../token-bucket.js';
import type { SocketAddress, TlsCredentials, VerifyPeer } from '../../transport.js';
import type { RejectionReason } from '../../transport-stats.js';
import { QuicConnection } from '../connection.js';
import type { ConnectionHost } from '../connection-host.js';
import {
  CONNECTION_ID_BYTES,
  createConnectionId,
  deriveResetToken,
  resetTokenNumber,
} from '../connection-id.js';
import { isInitial } from '../packet-header.js';
import { LOCAL_HOST_PORT } from '../path/address.js';
import type { PacketTargets } from '../path/packet-targets.js';
import { PeerPath } from '../path/peer-path.js';
import { MIN_PACKET_BYTES, type QuicheConfig, type QuicheConnection, quiche } from '../quiche-binding.js';
import { buildQuicheConfig, MAX_PATHS } from '../tls-config.js';
import { AdmissionControl, type AttemptOrigin } from './admission-control.js';
import type { ResumptionPolicy } from './early-data.js';
import { mintRetryToken, openRetryToken } from './retry-token.js';
import { TicketKeys } from './ticket-keys.js';

/** quiche's default, which takes no room among the transport parameters: after a Retry there are more of them. */
const MAX_PATHS_AFTER_RETRY = 2;

export interface AcceptorSetup {
  readonly credentials: TlsCredentials;
  readonly verifyPeer: VerifyPeer;
  readonly packetTargets: PacketTargets;
  readonly resumption: ResumptionPolicy | undefined;
  readonly resetKey: Uint8Array;
  readonly register: (connection: QuicConnection, ids: readonly Uint8Array[]) => void;
}

export interface AcceptorHost extends ConnectionHost {
  readonly counters: EndpointCounters;
  readonly localAddress: SocketAddress;
  sendDatagram(datagram: Uint8Array, to: SocketAddress): void;
}

/** Turns Initial packets of strangers into connections, within what strangers may cost. */
export class Acceptor {
  readonly #config: QuicheConfig;
  readonly #tickets: TicketKeys;
  readonly #retryAnswers: TokenBucket;
  readonly #versionAnswers: TokenBucket;
  readonly #admission: AdmissionControl;
  readonly #retryKey = randomBytes(32);
  /** As what each connection was counted: it must not change when the peer moves. */
  readonly #origins = new Map<QuicConnection, AttemptOrigin>();
  readonly #halfOpen = new Set<QuicConnection>();
  #protocols: readonly string[] = [];

  constructor(
    private readonly host: AcceptorHost,
    private readonly setup: AcceptorSetup,
  ) {
    this.#config = buildQuicheConfig(setup.credentials, host.profile);
    if (setup.resumption !== undefined) this.#config.enableEarlyData();
    this.#tickets = new TicketKeys(this.#config, {
      isResuming: setup.resumption !== undefined,
      lifetimeMs: setup.resumption?.ticketKeyLifetimeMs,
    });
    this.#admission = new AdmissionControl(host.admission, performance.now());
    const { answersPerSecond, answersBurst } = host.admission;
    const answers = { capacity: answersBurst, refillPerSecond: answersPerSecond };
    this.#retryAnswers = new TokenBucket(answers, performance.now());
    this.#versionAnswers = new TokenBucket(answers, performance.now());
  }

  get halfOpen(): number {
    return this.#admission.halfOpen;
  }

  /** For how many addresses anything is kept. */
  get rememberedAddresses(): number {
    return this.#admission.rememberedAddresses;
  }

  /** Session tickets given out so far are worthless from now on. */
  forgetSessions(): void {
    this.#tickets.forget();
  }

  setProtocols(protocols: readonly string[]): void {
    this.#protocols = [...protocols];
  }

  handleSettled(connection: QuicConnection): void {
    const origin = this.#origins.get(connection);
    if (origin !== undefined && this.#halfOpen.delete(connection)) this.#admission.handleSettled(origin);
  }

  handleEnded(connection: QuicConnection): void {
    this.handleSettled(connection);
    const origin = this.#origins.get(connection);
    this.#origins.delete(connection);
    if (origin !== undefined) this.#admission.handleEnded(origin);
  }

  /** A new connection for this packet, or undefined when it opens none. */
  accept(datagram: Buffer, version: number, remote: SocketAddress): QuicConnection | undefined {
    // Without a protocol quiche would accept any.
    if (this.#protocols.length === 0) return this.#reject('not-accepting');
    // Small first packets would let us be used as an amplifier.
    if (datagram.length < MIN_PACKET_BYTES) return this.#reject('malformed');
    if (!quiche.versionIsSupported(version)) {
      if (!this.#versionAnswers.tryTake(1, performance.now())) return this.#reject('too-many-answers');
      this.#negotiateVersion(datagram, remote);
      return this.#reject('unsupported-version');
    }
    // Anything else belongs to a connection that is gone, or overtook its first packet.
    if (!isInitial(datagram, version)) return undefined;
    let header: ReturnType<typeof quiche.Header.fromSlice>;
    try {
      header = quiche.Header.fromSlice(datagram, CONNECTION_ID_BYTES);
    } catch {
      return this.#reject('malformed');
    }
    const original = this.#openToken(header.token, header.dcid, remote);
    if (original === undefined) this.host.counters.incoming += 1;
    const origin = { host: remote.host, isValidated: original !== undefined };
    const admission = this.#admission.decide(origin, performance.now());
    if (admission.decision === 'ignore') return this.#reject(admission.reason);
    if (admission.decision === 'retry') {
      if (!this.#retryAnswers.tryTake(1, performance.now())) return this.#reject('too-many-answers');
      this.#sendRetry(header, version, remote);
      return undefined;
    }
    return this.#start(header.dcid, original, remote, origin);
  }

  /** Costs a counter. */
  #reject(reason: RejectionReason): undefined {
    this.host.counters.countRejected(reason);
    return undefined;
  }

  #start(
    destinationId: Uint8Array,
    original: Buffer | undefined,
    remote: SocketAddress,
    origin: AttemptOrigin,
  ): QuicConnection | undefined {
    // After a Retry the ID chosen there stays; before one, the dialler's is only a random number.
    const sourceId = original === undefined ? createConnectionId() : Buffer.from(destinationId);
    const target = this.setup.packetTargets.find(remote.host, performance.now());
    const path = new PeerPath(remote, 'acceptor');
    this.#tickets.prepare(performance.now());
    this.#config.setApplicationProtos([...this.#protocols]);
    this.#config.setMaxSendUdpPayloadSize(target);
    this.#config.setStatelessResetToken(resetTokenNumber(deriveResetToken(this.setup.resetKey, sourceId)));
    this.#config.setActiveConnectionIdLimit(original === undefined ? MAX_PATHS : MAX_PATHS_AFTER_RETRY);
    const accepted = acceptConnection(sourceId, original, path, this.#config);
    if (accepted === undefined) return this.#reject('malformed');
    const connection = new QuicConnection(this.host, {
      id: sourceId.toString('hex'),
      role: 'acceptor',
      quiche: accepted,
      path,
      verifyPeer: this.setup.verifyPeer,
      localAddress: this.host.localAddress,
      packetTargetBytes: target,
      handshakeTimeoutMs: this.host.admission.handshakeTimeoutMs,
      resumption: this.setup.resumption,
    });
    this.#halfOpen.add(connection);
    this.#origins.set(connection, origin);
    this.#admission.handleStarted(origin);
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
    this.host.counters.retriesSent += 1;
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

/** Undefined where the stranger's connection ID leaves no room for our transport parameters: quiche allows 128 bytes. */
function acceptConnection(
  sourceId: Uint8Array,
  original: Uint8Array | undefined,
  path: PeerPath,
  config: QuicheConfig,
): QuicheConnection | undefined {
  try {
    return quiche.Connection.accept(sourceId, original ?? null, LOCAL_HOST_PORT, path.quicheAddress, config);
  } catch {
    return undefined;
  }
}
