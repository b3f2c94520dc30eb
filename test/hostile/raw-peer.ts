import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createConnectionId } from '../../packages/quic/src/driver/connection-id.js';
import { LOCAL_HOST_PORT } from '../../packages/quic/src/driver/path/address.js';
import { type QuicheConnection, quiche } from '../../packages/quic/src/driver/quiche-binding.js';
import { buildQuicheConfig } from '../../packages/quic/src/driver/tls-config.js';
import type { TlsCredentials } from '../../packages/quic/src/transport.js';
import { fileSync, type TransportProfile } from '../../packages/quic/src/transport-profile.js';

const HOST = '127.0.0.1';
const PACKET_BYTES = 1_350;
const LARGE_PACKET_BYTES = 16_000;
const HANDSHAKE_MS = 5_000;
const PACKETS_PER_TURN = 64;
/** The dialler's first unidirectional stream. */
const EARLY_STREAM = 2;

export interface RawPeerOptions {
  readonly port: number;
  readonly credentials: TlsCredentials;
  readonly alpn: string;
  readonly profile?: Partial<TransportProfile>;
  /** UDP payloads of 16,000 bytes instead of 1,350, as loopback carries them. */
  readonly isLarge?: boolean;
  /** Of an earlier connection: comes back with it, and sends `earlyData` on the control stream before TLS is done. */
  readonly session?: Uint8Array;
  readonly earlyData?: Uint8Array;
  /** Every datagram that goes out is put here as well. */
  readonly captured?: Buffer[];
}

/**
 * A dialler that is nothing but quiche and a socket: it reads no stream, closes for no reason, counts nothing, and so can
 * do what our own driver would never do.
 */
export class RawPeer {
  #timer: NodeJS.Timeout | undefined;
  #isDone = false;
  readonly #waiting: (() => void)[] = [];

  private constructor(
    readonly quiche: QuicheConnection,
    private readonly socket: Socket,
    private readonly remote: { readonly host: string; readonly port: number },
    private readonly packetBytes: number,
    private readonly captured: Buffer[] | undefined,
  ) {
    socket.on('message', (datagram) => this.#receive(datagram));
  }

  /** Resolves when TLS is done on this side. Rejects when it is not within 5 s. */
  static async connect(options: RawPeerOptions): Promise<RawPeer> {
    const { port, credentials, alpn, profile, isLarge, session, earlyData } = options;
    const socket = createSocket('udp4');
    socket.bind(0, HOST);
    await once(socket, 'listening');
    // Connected, what is sent is gone before the socket is closed.
    socket.connect(port, HOST);
    await once(socket, 'connect');
    socket.on('error', () => {});
    const packetBytes = isLarge === true ? LARGE_PACKET_BYTES : PACKET_BYTES;
    const config = buildQuicheConfig(credentials, { ...fileSync, ...profile });
    config.setApplicationProtos([alpn]);
    config.setMaxSendUdpPayloadSize(packetBytes);
    if (session !== undefined) config.enableEarlyData();
    const remote = { host: HOST, port };
    const connection = quiche.Connection.connect(null, createConnectionId(), LOCAL_HOST_PORT, remote, config);
    if (session !== undefined) connection.setSession(session);
    const peer = new RawPeer(connection, socket, remote, packetBytes, options.captured);
    peer.flush();
    if (earlyData !== undefined && connection.isInEarlyData()) {
      peer.send(EARLY_STREAM, earlyData);
      peer.flush();
    }
    const deadline = performance.now() + HANDSHAKE_MS;
    while (!connection.isEstablished()) {
      if (peer.isClosed || performance.now() > deadline) {
        peer.end();
        throw new Error('The daemon made no connection.');
      }
      await peer.nextPacket();
    }
    return peer;
  }

  get isClosed(): boolean {
    return this.#isDone || this.quiche.isClosed() || this.quiche.isDraining();
  }

  /** Application code that the daemon closed with; undefined while it has not. */
  get closeCode(): number | undefined {
    return this.quiche.peerError()?.errorCode;
  }

  /** True when quiche took all of it. */
  send(stream: number, bytes: Uint8Array, isLast = false): boolean {
    return this.sendSome(stream, bytes, isLast) === bytes.length;
  }

  /** How many bytes quiche took. */
  sendSome(stream: number, bytes: Uint8Array, isLast = false): number {
    try {
      return this.quiche.streamSend(stream, bytes, isLast) ?? 0;
    } catch {
      return 0;
    }
  }

  /** Opens a stream of which the daemon hears by the request to stop it alone: not a byte says what it is. */
  openSilently(stream: number): void {
    this.quiche.streamPriority(stream, 3, true);
    this.abort(stream, 0, 1);
  }

  /** Gives up a stream in one direction: 0 asks the daemon to stop sending, 1 resets what we send. */
  abort(stream: number, direction: 0 | 1, code: number): boolean {
    try {
      this.quiche.streamShutdown(stream, direction, code);
      return true;
    } catch {
      return false;
    }
  }

  /** Reads what has come on a stream, and throws it away; true at its end. */
  drain(stream: number): boolean {
    const buffer = Buffer.allocUnsafe(65_536);
    try {
      for (;;) {
        const result = this.quiche.streamRecv(stream, buffer);
        if (result === null) return false;
        if (result[1]) return true;
      }
    } catch {
      return false;
    }
  }

  /** Sends what quiche has ready, at most some packets; the number of them. */
  flush(): number {
    if (this.#isDone) return 0;
    let count = 0;
    for (; count < PACKETS_PER_TURN; count++) {
      const buffer = Buffer.allocUnsafe(this.packetBytes);
      const sent = this.quiche.send(buffer);
      if (sent === null) break;
      const datagram = buffer.subarray(0, sent[0]);
      this.captured?.push(datagram);
      this.socket.send(datagram);
    }
    this.#setTimer();
    return count;
  }

  /** Resolves when a packet has come, or the connection's timer was due, or 100 ms have gone. */
  async nextPacket(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 100);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Goes away without a word. */
  end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    clearTimeout(this.#timer);
    this.socket.close();
    this.#wake();
  }

  #receive(datagram: Buffer): void {
    if (this.#isDone) return;
    try {
      this.quiche.recv(datagram, { from: this.remote, to: LOCAL_HOST_PORT });
    } catch {
      // Not for this connection.
    }
    this.flush();
    this.#wake();
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const delayMs = this.quiche.timeout();
    if (delayMs === null) return;
    this.#timer = setTimeout(() => {
      this.quiche.onTimeout();
      this.flush();
      this.#wake();
    }, delayMs);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
