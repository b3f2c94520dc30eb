import { TransportCloseCode } from '../close-codes.js';
import {
  type BidiStream,
  type CloseInfo,
  type Connection,
  type ConnectionStats,
  type IncomingStream,
  type OpenOptions,
  type PeerIdentity,
  type SendStream,
  type SocketAddress,
  type StreamStats,
  TransportError,
} from '../transport.js';
import { Waiter } from '../waiter.js';
import type { Refusal } from './admission/peer-judgement.js';
import { PeerVerification } from './admission/peer-verification.js';
import { encodeReason, readCloseInfo } from './closing/close-info.js';
import { UnsentClose } from './closing/unsent-close.js';
import { ConnectionDeadlines } from './connection-deadlines.js';
import type { ConnectionHost, ConnectionSetup } from './connection-host.js';
import { ConnectionLimits } from './connection-limits.js';
import { readConnectionStats } from './connection-stats.js';
import { parseQuicheError } from './error-parsing.js';
import { PacketSize } from './path/packet-size.js';
import { PathFollower } from './path/path-follower.js';
import type { QuicheConnection } from './quiche-binding.js';
import type { Route } from './route.js';
import type { ClosingDatagram } from './sending/packet-sender.js';
import { PROGRESS_CHECK_MS } from './sending/send-progress.js';
import { SendingSide } from './sending/sending-side.js';
import { DatagramChannel } from './streams/datagram-channel.js';
import type { ReceiveSlab } from './streams/receive-slab.js';
import type { QuicStream } from './streams/stream.js';
import { createStreamAdmission } from './streams/stream-admission.js';
import type { StreamHost } from './streams/stream-host.js';
import { StreamTable } from './streams/stream-table.js';
import type { TurnTaker } from './turn-queue.js';

/** How long `close` waits for what was written before it. */
const CLOSE_FLUSH_MS = 250;
/** When no more arrived at once, it is likely that an answer follows, and it is awaited before anything is sent. */
const ANSWERED_FIRST_BYTES = 16 * 1024;

/**
 * One QUIC connection. Invariants:
 * 1. No stream is looked at before the peer is verified, which only an accepting `verifyPeer` does.
 * 2. At most once per turn of the event loop streams are read, queues offered, packets sent and the timer set, in that
 *    order.
 * 3. Once `#closeInfo` is set, quiche is not called again and every stream and waiter has failed.
 */
export class QuicConnection implements Connection, Route, StreamHost, TurnTaker {
  readonly id: string;
  readonly role: 'dialler' | 'acceptor';
  readonly quiche: QuicheConnection;
  readonly localAddress: SocketAddress;
  readonly receiveSlab: ReceiveSlab;
  readonly scratch: Uint8Array;
  readonly sendHighWaterBytes: number;
  readonly datagrams: DatagramChannel;
  readonly follower: PathFollower;
  readonly #streams: StreamTable;
  readonly #sending: SendingSide;
  readonly #closed = new Waiter<CloseInfo>();
  readonly #deadlines: ConnectionDeadlines;
  readonly #packetSize: PacketSize;
  readonly #limits: ConnectionLimits;
  readonly #verification: PeerVerification;
  #earlyStream: Promise<SendStream> | undefined;
  #closing: { code: number; reason: string; deadlineMs: number } | undefined;
  #closeInfo: CloseInfo | undefined;
  #endError: TransportError | undefined;
  readonly #createdAtMs = performance.now();
  #hasReceived = false;
  #arrivedBytes = 0;
  #isDue = false;

  constructor(
    private readonly host: ConnectionHost,
    private readonly setup: ConnectionSetup,
  ) {
    this.id = setup.id;
    this.role = setup.role;
    this.quiche = setup.quiche;
    this.localAddress = setup.localAddress;
    this.receiveSlab = host.receiveSlab;
    this.scratch = host.scratch;
    this.sendHighWaterBytes = host.profile.sendHighWaterBytes;
    this.#streams = new StreamTable(this, setup.role, createStreamAdmission(this, host));
    this.#packetSize = new PacketSize(setup.packetTargetBytes);
    this.#verification = new PeerVerification(setup, host.admission);
    this.#limits = new ConnectionLimits(host.profile, performance.now());
    this.follower = new PathFollower(this, host, setup.path);
    this.datagrams = new DatagramChannel({
      follower: this.follower,
      quiche: setup.quiche,
      packetSize: this.#packetSize,
      isOpen: () => this.isVerified && this.#endError === undefined,
      requestFlush: () => host.schedule(this),
    });
    this.#sending = new SendingSide({
      quiche: setup.quiche,
      io: host.io,
      path: setup.path,
      profile: host.profile,
      packetSize: this.#packetSize,
      countSent: (packets, bytes) => host.countSent(packets, bytes),
      resume: () => host.schedule(this),
      resumeLater: () => host.scheduleLater(this),
    });
    this.#deadlines = new ConnectionDeadlines(setup, host.profile.keepAliveMs, () => {
      // Not before the packets were read that lie in the socket: this machine may have been busy, or asleep.
      this.#isDue = true;
      host.schedule(this);
    });
  }

  get alpn(): string {
    return this.#verification.alpn;
  }

  get peer(): PeerIdentity {
    const { identity } = this.#verification;
    if (identity === undefined) throw new Error('the peer is not verified yet');
    return identity;
  }

  get isVerified(): boolean {
    return this.#verification.identity !== undefined;
  }

  get isResumed(): boolean {
    return this.#verification.isResumed;
  }

  get earlyStream(): Promise<SendStream> | undefined {
    return this.#earlyStream;
  }

  get peerCertificates(): readonly Uint8Array[] {
    return this.#verification.chain;
  }

  get remoteAddress(): SocketAddress {
    return this.setup.path.address;
  }

  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  /** Of a dialler, before anything else: opens the early stream as soon as that is possible, and begins it. */
  startEarly(bytes: Uint8Array): void {
    // TLS knows what may go early once the first packet is made.
    this.#sending.sendMade(1);
    const stream = this.openUni({ urgency: 0 });
    stream.then((opened) => opened.write(bytes)).catch(() => {});
    this.#earlyStream = stream;
  }

  openBidi(options?: OpenOptions): Promise<BidiStream> {
    return this.#streams.open('bidi', options);
  }

  openUni(options?: OpenOptions): Promise<SendStream> {
    return this.#streams.open('uni', options);
  }

  onStream(handler: (stream: IncomingStream) => void): void {
    this.#streams.onStream(handler);
  }

  close(code: number, reason: string): Promise<void> {
    const gone = this.#closed.promise.then(() => {});
    if (this.#closing !== undefined || this.#closeInfo !== undefined) return gone;
    this.#closing = { code, reason, deadlineMs: performance.now() + CLOSE_FLUSH_MS };
    this.#endError ??= new TransportError('connection-closed', 'the connection was closed here', {
      closeInfo: { by: 'local', code, reason },
    });
    this.#flush();
    this.#closeWhenFlushed();
    return gone;
  }

  /** Gives the connection up at once, without waiting for anything to be sent before. */
  abandon(isApplication: boolean, code: number, info: CloseInfo): void {
    if (this.#closeInfo !== undefined) return;
    // What the handshake still owes goes first: without it a dialler could not send its close at all.
    this.#sending.sendMade();
    try {
      this.quiche.close(isApplication, code, encodeReason(info.reason));
    } catch {
      // Closed already.
    }
    const take = () => this.#sending.takeClosing();
    this.#end(info, take() ?? new UnsentClose(this.quiche, this.setup.path, take));
  }

  stats(): ConnectionStats {
    return readConnectionStats(this.quiche, {
      ageMs: performance.now() - this.#createdAtMs,
      packetSizeBytes: this.#packetSize.currentBytes,
      streamsAborted: this.#limits.credit.aborted,
      streamBytesRead: this.#limits.streamBytesRead,
      datagrams: this.datagrams.stats(),
      ...this.#streams.stats(),
    });
  }

  streamStats(): readonly StreamStats[] {
    return this.#streams.streamStats();
  }

  // --- StreamHost

  endedWith(): TransportError | undefined {
    return this.#endError;
  }

  markPending(stream: QuicStream): void {
    this.#sending.markPending(stream);
    this.host.schedule(this);
  }

  requestFlush(): void {
    this.host.schedule(this);
  }

  countReadBytes(count: number): void {
    this.#limits.noteRead(count);
  }

  countAbort(stream: QuicStream, unreadBytes: number): void {
    this.#limits.credit.count(stream.kind, unreadBytes);
  }

  forget(stream: QuicStream): void {
    this.#sending.forget(stream);
    this.#streams.forget(stream);
  }

  // --- packets

  receive(datagram: Buffer, host: string, port: number): void {
    if (this.#closeInfo !== undefined) return;
    if (!this.isVerified && !this.#verification.admit(datagram.length)) return;
    this.#limits.budget.noteReceived(datagram.length);
    try {
      this.follower.receive(datagram, host, port, this.isVerified);
    } catch (error) {
      // quiche has noted what is fatal and closes by itself; the rest are damaged or foreign packets.
      if (parseQuicheError(error).kind === 'tls') this.#deadlines.endHandshake();
    }
    this.#hasReceived = true;
    this.#arrivedBytes += datagram.length;
    if (!this.isVerified) {
      const violation = this.#verification.findEarlyViolation();
      if (violation) this.#refuse(violation);
    }
    this.host.schedule(this);
  }

  // --- TurnTaker: see invariant 2

  takeReceived(): boolean {
    const isLittle = this.#arrivedBytes <= ANSWERED_FIRST_BYTES;
    this.#arrivedBytes = 0;
    if (!this.#hasReceived || this.#closeInfo !== undefined) return false;
    this.#handleReceived();
    return isLittle && this.isVerified;
  }

  send(): void {
    if (this.#isDue) this.#handleDeadline();
    if (this.#closeInfo !== undefined) return;
    this.#flush();
    if (this.#closing !== undefined) this.#closeWhenFlushed();
    else if (this.quiche.isDraining() || this.quiche.isClosed())
      this.#end(readCloseInfo(this.quiche), undefined);
    else this.#checkLimits();
  }

  #handleReceived(): void {
    this.#hasReceived = false;
    const now = performance.now();
    this.#deadlines.noteReceived(now);
    this.#sending.noteReceived(now);
    if (!this.isVerified && this.quiche.isEstablished()) this.#verifyPeer();
    if (!this.isVerified || this.#closeInfo !== undefined) return;
    this.setup.path.followMigration(this.quiche);
    this.#limits.budget.noteDelivered(this.datagrams.receive());
    this.#verification.storeSession();
    this.#streams.handleReceived(now);
  }

  #verifyPeer(): void {
    if (this.quiche.isDraining() || this.quiche.isClosed()) return;
    const refusal = this.#verification.verify();
    if (refusal === undefined) this.#begin();
    else this.#refuse(refusal);
  }

  #begin(): void {
    this.#deadlines.endHandshake();
    this.#packetSize.start(performance.now());
    this.host.handleVerified(this);
  }

  #refuse(refusal: Refusal): void {
    const { isApplication, closeCode: code, reason } = refusal;
    this.host.handleRejected(this, refusal);
    this.abandon(isApplication, code, { by: isApplication ? 'local' : 'transport', code, reason });
  }

  #flush(): void {
    // Before the peer is verified there is no stream but the early one, and quiche sends it early or not at all.
    const mayOffer = this.isVerified || (this.#earlyStream !== undefined && this.quiche.isInEarlyData());
    this.#limits.noteSent(this.#sending.flush(mayOffer));
    // Where early data was refused, TLS goes on while packets are made.
    if (!this.isVerified && this.quiche.isEstablished()) {
      this.#hasReceived = true;
      this.host.schedule(this);
    }
    this.#setTimer();
  }

  // --- time

  #setTimer(): void {
    const now = performance.now();
    this.#deadlines.arm(now, {
      isVerified: this.isVerified,
      packetSizeMs: this.#packetSize.deadlineMs,
      identificationMs: this.#streams.identificationDueMs,
      closingMs: this.#closing?.deadlineMs ?? Number.POSITIVE_INFINITY,
      stallCheckMs: this.#sending.isIdle ? Number.POSITIVE_INFINITY : now + PROGRESS_CHECK_MS,
    });
  }

  /** Nothing is due any more if what has arrived meanwhile was what was waited for. */
  #handleDeadline(): void {
    this.#isDue = false;
    if (this.#closeInfo !== undefined) return;
    const now = performance.now();
    const timeoutMs = this.quiche.timeout();
    if (timeoutMs !== null && timeoutMs <= 0) this.#packetSize.handleTimeout(now);
    this.quiche.onTimeout();
    if (!this.isVerified && this.#deadlines.isHandshakeOverdue(now)) {
      const info = { by: 'timeout', reason: 'no handshake in time' } as const;
      // Strangers are forgotten without a word.
      if (this.role === 'acceptor') this.#end(info, undefined);
      else this.abandon(false, 0, info);
      return;
    }
    this.#streams.checkIdentified(now);
    if (this.#closeInfo !== undefined) return;
    if (this.#deadlines.takeKeepAlive(now) && this.isVerified) this.quiche.sendAckEliciting();
    const hasMoved = this.#sending.checkProgress(now);
    if (hasMoved !== undefined) this.#packetSize.handleCheck(now, this.quiche.stats().lost, hasMoved);
    if (this.#sending.isStalled(now)) {
      this.#giveUp('urgent bytes could not be sent for too long');
    }
  }

  // --- the end

  #giveUp(reason: string, code: number = TransportCloseCode.internalError): void {
    this.abandon(false, code, { by: 'transport', code, reason });
  }

  #checkLimits(): void {
    const exceeded = this.#limits.findExceeded(performance.now());
    if (exceeded) this.#giveUp(exceeded.reason, exceeded.code);
  }

  #closeWhenFlushed(): void {
    const closing = this.#closing;
    if (closing === undefined || this.#closeInfo !== undefined) return;
    if (!this.#sending.isIdle && performance.now() < closing.deadlineMs) return;
    this.abandon(true, closing.code, { by: 'local', code: closing.code, reason: closing.reason });
  }

  #end(info: CloseInfo, closing: ClosingDatagram | UnsentClose | undefined): void {
    if (this.#closeInfo !== undefined) return;
    this.#closeInfo = info;
    const detail = info.code === undefined ? info.reason : `${info.code} ${info.reason}`;
    this.#endError ??= new TransportError('connection-closed', `the connection has ended: ${detail}`, {
      closeInfo: info,
    });
    this.#deadlines.stop();
    this.#streams.failAll(this.#endError);
    this.#sending.clear();
    this.host.handleEnded(this, info, closing);
    this.#closed.resolve(info);
  }
}
