import { EndpointCounters } from '../endpoint-counters.js';
import {
  type Connection,
  type DialOptions,
  type Endpoint,
  type EndpointStats,
  type RejectedConnection,
  type SocketAddress,
  TransportError,
  type VerifyPeer,
} from '../transport.js';
import { fileSync, type TransportProfile } from '../transport-profile.js';
import { Waiter } from '../waiter.js';
import { createLane, type Link } from './link.js';
import { MemoryConnection } from './memory-connection.js';
import type { VirtualClock } from './virtual-clock.js';

export interface MemoryEndpointOptions {
  /** What the peer's `verifyPeer` is shown, as a chain of one. Any bytes. */
  readonly certificate: Uint8Array;
  readonly verifyPeer: VerifyPeer;
  readonly profile?: TransportProfile;
}

/** What an endpoint needs of the network it hangs on. */
export interface MemoryEndpointHost {
  readonly clock: VirtualClock;
  link(from: SocketAddress, to: SocketAddress): Link;
  find(address: SocketAddress): MemoryEndpoint | undefined;
  nextConnectionId(): string;
  remove(endpoint: MemoryEndpoint): void;
}

const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;
const HANDSHAKE_BYTES = 1_200;
/** CRYPTO_ERROR with the alert "no application protocol". */
const NO_APPLICATION_PROTOCOL = 0x178;

interface Dial {
  readonly options: DialOptions;
  readonly remote: SocketAddress;
  readonly waiter: Waiter<Connection>;
  readonly stopTimer: () => void;
  isOver: boolean;
}

/** An endpoint on a network in memory; takes a handshake's flights as long as a real one's. */
export class MemoryEndpoint implements Endpoint {
  readonly profile: TransportProfile;
  readonly certificate: Uint8Array;
  readonly #connections = new Set<MemoryConnection>();
  readonly #dials = new Set<Dial>();
  #protocols: readonly string[] = [];
  #connectionHandler: ((connection: Connection) => void) | undefined;
  #rejectedHandler: ((event: RejectedConnection) => void) | undefined;
  #isClosed = false;
  readonly #counters = new EndpointCounters();

  constructor(
    private readonly host: MemoryEndpointHost,
    readonly localAddress: SocketAddress,
    private readonly options: MemoryEndpointOptions,
  ) {
    this.profile = options.profile ?? fileSync;
    this.certificate = options.certificate;
  }

  connect(remote: SocketAddress, options: DialOptions): Promise<Connection> {
    if (this.#isClosed)
      return Promise.reject(new TransportError('endpoint-closed', 'the endpoint is closed'));
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(abortedDial(signal));
    this.#counters.attempted += 1;
    const timeoutMs = options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS;
    const stopTimer = this.host.clock.schedule(timeoutMs, () =>
      this.#failDial(
        dial,
        new TransportError('handshake-timeout', 'no answer within the time for the handshake'),
      ),
    );
    const dial: Dial = { options, remote, waiter: new Waiter(), stopTimer, isOver: false };
    this.#dials.add(dial);
    const onAbort = (): void => {
      if (signal !== undefined) this.#failDial(dial, abortedDial(signal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const forgetSignal = (): void => signal?.removeEventListener('abort', onAbort);
    dial.waiter.promise.then(forgetSignal, forgetSignal);
    this.#sendTo(remote, (peer) => peer.#handleHello(this, dial));
    return dial.waiter.promise;
  }

  setAcceptedProtocols(protocols: readonly string[]): void {
    this.#protocols = [...protocols];
  }

  onConnection(handler: (connection: Connection) => void): void {
    this.#connectionHandler = handler;
  }

  onRejected(handler: (event: RejectedConnection) => void): void {
    this.#rejectedHandler = handler;
  }

  refreshPaths(): void {}

  forgetSessions(): void {}

  stats(): EndpointStats {
    let bytesIn = 0;
    let bytesOut = 0;
    let datagramsIn = 0;
    let datagramsOut = 0;
    for (const connection of this.#connections) {
      const stats = connection.stats();
      bytesIn += stats.bytesIn;
      bytesOut += stats.bytesOut;
      datagramsIn += stats.packetsIn;
      datagramsOut += stats.packetsOut;
    }
    return {
      connections: this.#connections.size,
      halfOpen: this.#dials.size,
      ...this.#counters.read(),
      datagramsIn,
      datagramsOut,
      bytesIn,
      bytesOut,
      datagramIo: 'memory',
    };
  }

  async close(code: number, reason: string): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const dial of [...this.#dials]) {
      this.#failDial(dial, new TransportError('endpoint-closed', 'the endpoint was closed'));
    }
    await Promise.all([...this.#connections].map((connection) => connection.close(code, reason)));
    this.host.remove(this);
  }

  /** Gone without a word, as by a power cut: peers find out by their idle timeout. */
  crash(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const dial of [...this.#dials]) {
      this.#failDial(dial, new TransportError('endpoint-closed', 'the endpoint was closed'));
    }
    const connections = [...this.#connections];
    this.host.remove(this);
    for (const connection of connections) connection.end({ by: 'local', reason: 'crashed' });
    for (const connection of connections) this.#timeOutPeerOf(connection);
  }

  /** The way to this peer has been cut for longer than the idle timeout. */
  timeOutConnectionsTo(remote: SocketAddress): void {
    for (const connection of [...this.#connections]) {
      if (isSame(connection.remoteAddress, remote)) connection.end(IDLE_TIMEOUT);
    }
  }

  #timeOutPeerOf(connection: MemoryConnection): void {
    const { remoteAddress, localAddress } = connection;
    this.host.clock.schedule(this.profile.idleTimeoutMs, () => {
      const peer = this.host.find(remoteAddress);
      if (peer === undefined) return;
      const orphans = [...peer.#connections].filter(
        (other) => isSame(other.remoteAddress, localAddress) && other.id === connection.id,
      );
      for (const orphan of orphans) orphan.end(IDLE_TIMEOUT);
    });
  }

  // --- handshake: hello there, certificate back, finished there

  #handleHello(dialler: MemoryEndpoint, dial: Dial): void {
    if (this.#isClosed) return;
    this.#counters.incoming += 1;
    if (this.#protocols.length === 0) {
      this.#counters.countRejected('not-accepting');
      return;
    }
    const isKnown = this.#protocols.includes(dial.options.alpn);
    if (!isKnown) this.#counters.countRejected('no-common-protocol');
    this.#sendTo(dialler.localAddress, (peer) => {
      if (peer !== dialler) return;
      if (isKnown) dialler.#handleCertificate(this, dial);
      else dialler.#failDial(dial, noCommonProtocol());
    });
  }

  #handleCertificate(acceptor: MemoryEndpoint, dial: Dial): void {
    if (dial.isOver) return;
    const verdict = dial.options.verifyPeer([acceptor.certificate], dial.options.alpn);
    if (!verdict.accepted) {
      const { closeCode, reason } = verdict;
      this.#counters.countRefused(closeCode);
      const closeInfo = { by: 'local', code: closeCode, reason } as const;
      this.#failDial(
        dial,
        new TransportError('peer-rejected', `the peer was refused: ${reason}`, { closeInfo }),
      );
      return;
    }
    const id = this.host.nextConnectionId();
    const mine = this.#createConnection(id, 'dialler', acceptor, dial.options.alpn);
    const theirs = acceptor.#createConnection(id, 'acceptor', this, dial.options.alpn);
    mine.join(theirs);
    theirs.join(mine);
    mine.accept(verdict.identity);
    if (dial.options.earlyData !== undefined) mine.startEarly(dial.options.earlyData);
    this.#finishDial(dial);
    dial.waiter.resolve(mine);
    this.#sendTo(dial.remote, (peer) => {
      if (peer === acceptor) acceptor.#handleFinished(theirs);
    });
  }

  #handleFinished(connection: MemoryConnection): void {
    if (connection.hasEnded) return;
    const verdict = this.options.verifyPeer(connection.peerCertificates, connection.alpn);
    if (!verdict.accepted) {
      const { closeCode, reason } = verdict;
      this.#counters.handleRefused(connection, 'peer-refused', closeCode);
      this.#rejectedHandler?.({ remote: connection.remoteAddress, closeCode, reason });
      void connection.close(closeCode, reason);
      return;
    }
    this.#counters.accepted += 1;
    connection.accept(verdict.identity);
    this.#connectionHandler?.(connection);
  }

  #createConnection(
    id: string,
    role: 'dialler' | 'acceptor',
    peer: MemoryEndpoint,
    alpn: string,
  ): MemoryConnection {
    const connection = new MemoryConnection({
      id,
      role,
      alpn,
      localAddress: this.localAddress,
      remoteAddress: peer.localAddress,
      peerCertificate: peer.certificate,
      profile: this.profile,
      peerProfile: peer.profile,
      clock: this.host.clock,
      link: this.host.link(this.localAddress, peer.localAddress),
      onEnded: (ended, info) => {
        this.#connections.delete(ended);
        this.#counters.countEnded(ended, info);
      },
    });
    this.#connections.add(connection);
    return connection;
  }

  #sendTo(remote: SocketAddress, handle: (peer: MemoryEndpoint) => void): void {
    const link = this.host.link(this.localAddress, remote);
    link.transmit(createLane(), HANDSHAKE_BYTES, () => {
      const peer = this.host.find(remote);
      if (peer !== undefined) handle(peer);
    });
  }

  #failDial(dial: Dial, error: TransportError): void {
    if (dial.isOver) return;
    this.#finishDial(dial);
    dial.waiter.reject(error);
  }

  #finishDial(dial: Dial): void {
    dial.isOver = true;
    dial.stopTimer();
    this.#dials.delete(dial);
  }
}

const IDLE_TIMEOUT = { by: 'timeout', reason: 'no packet within the idle timeout' } as const;

function isSame(a: SocketAddress, b: SocketAddress): boolean {
  return a.host === b.host && a.port === b.port;
}

function noCommonProtocol(): TransportError {
  const closeInfo = { by: 'transport', code: NO_APPLICATION_PROTOCOL, reason: 'no common protocol' } as const;
  return new TransportError('handshake-failed', 'the handshake failed: no common protocol', { closeInfo });
}

function abortedDial(signal: AbortSignal): TransportError {
  return new TransportError('aborted', 'the attempt to connect was given up', { cause: signal.reason });
}
