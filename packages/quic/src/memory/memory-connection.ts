import { AbortCredit } from '../abort-credit.js';
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
  type Urgency,
} from '../transport.js';
import type { TransportProfile } from '../transport-profile.js';
import { Waiter } from '../waiter.js';
import { createLane, type Link } from './link.js';
import { MemoryDatagrams } from './memory-datagrams.js';
import { MemoryStream, type MemoryStreamHost, type StreamSegment } from './memory-stream.js';
import { OpenRequests } from './open-requests.js';
import type { VirtualClock } from './virtual-clock.js';

export interface MemoryConnectionSetup {
  readonly id: string;
  readonly role: 'dialler' | 'acceptor';
  readonly alpn: string;
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  readonly peerCertificate: Uint8Array;
  readonly profile: TransportProfile;
  /** The profile of the other side: what it lets us send and open. */
  readonly peerProfile: TransportProfile;
  readonly clock: VirtualClock;
  readonly link: Link;
  readonly onEnded: (connection: MemoryConnection, info: CloseInfo) => void;
}

/** What travels between the two ends of a connection. */
type Segment =
  | { readonly what: 'stream'; readonly streamId: number; readonly segment: StreamSegment }
  | { readonly what: 'stream-credit'; readonly kind: 'bidi' | 'uni' }
  | { readonly what: 'window'; readonly bytes: number }
  | { readonly what: 'datagram'; readonly bytes: Uint8Array }
  | { readonly what: 'close'; readonly info: CloseInfo };

const SEGMENT_BYTES = 64 * 1024;
const OVERHEAD_BYTES = 40;
const DEFAULT_URGENCY: Urgency = 3;
/** Bytes that may wait on the link before the next in order of urgency have their turn. */
const MAX_BACKLOG_MS = 2;
const INTERNAL_ERROR = 1;

/**
 * One end of a connection in memory. Invariants:
 * 1. Nothing is handed up before {@link accept}; what arrives earlier is held.
 * 2. A sender never has more under way than the receiver's windows allow.
 * 3. After the end nothing is delivered in either direction.
 */
export class MemoryConnection implements Connection, MemoryStreamHost {
  readonly id: string;
  readonly role: 'dialler' | 'acceptor';
  readonly alpn: string;
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  readonly peerCertificates: readonly Uint8Array[];
  readonly sendHighWaterBytes: number;
  readonly datagrams: MemoryDatagrams;
  /** There are no sessions in memory: what could have gone early goes at the first moment after. */
  readonly isResumed = false;
  earlyStream: Promise<SendStream> | undefined;
  readonly #streams = new Map<number, MemoryStream>();
  readonly #aborted = new Set<number>();
  readonly #pending = new Set<MemoryStream>();
  readonly #openRequests: OpenRequests;
  readonly #closed = new Waiter<CloseInfo>();
  readonly #controlLane = createLane();
  readonly #credit: AbortCredit;
  #other: MemoryConnection | undefined;
  #identity: PeerIdentity | undefined;
  #held: Segment[] = [];
  #early: IncomingStream[] = [];
  #handler: ((stream: IncomingStream) => void) | undefined;
  #endError: TransportError | undefined;
  #isPumpScheduled = false;
  #windowBytes: number;
  #bytesIn = 0;
  #bytesOut = 0;
  #segmentsIn = 0;
  #segmentsOut = 0;
  #readUnreported = 0;
  #streamBytesRead = 0;
  #opened = 0;
  readonly #createdAtMs: number;

  constructor(private readonly setup: MemoryConnectionSetup) {
    this.id = setup.id;
    this.role = setup.role;
    this.alpn = setup.alpn;
    this.localAddress = setup.localAddress;
    this.remoteAddress = setup.remoteAddress;
    this.peerCertificates = [setup.peerCertificate];
    this.sendHighWaterBytes = setup.profile.sendHighWaterBytes;
    this.#windowBytes = setup.peerProfile.initialConnectionWindowBytes;
    this.#openRequests = new OpenRequests(setup.role, setup.peerProfile, (id, kind, urgency) =>
      this.#createStream(id, kind, 'local', urgency),
    );
    this.#credit = new AbortCredit(setup.profile);
    this.#createdAtMs = setup.clock.now();
    this.datagrams = new MemoryDatagrams({
      isOpen: () => this.#identity !== undefined && this.#endError === undefined,
      backlogMs: () => setup.link.backlogMs,
      transmit: (bytes) => this.#transmitDatagram(bytes),
    });
  }

  get peer(): PeerIdentity {
    if (this.#identity === undefined) throw new Error('the peer is not verified yet');
    return this.#identity;
  }

  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  get isVerified(): boolean {
    return this.#identity !== undefined;
  }

  get hasEnded(): boolean {
    return this.#endError !== undefined;
  }

  /** Joins the two ends. */
  join(other: MemoryConnection): void {
    this.#other = other;
  }

  /** The peer was verified: what arrived in the meantime may be looked at, once the caller has set its handlers. */
  accept(identity: PeerIdentity): void {
    this.#identity = identity;
    this.setup.clock.schedule(0, () => {
      for (const segment of this.#held.splice(0)) this.#deliver(segment);
    });
  }

  startEarly(bytes: Uint8Array): void {
    const stream = this.openUni({ urgency: 0 });
    stream.then((opened) => opened.write(bytes)).catch(() => {});
    this.earlyStream = stream;
  }

  openBidi(options?: OpenOptions): Promise<BidiStream> {
    return this.#endError === undefined
      ? this.#openRequests.open('bidi', options)
      : Promise.reject(this.#endError);
  }

  openUni(options?: OpenOptions): Promise<SendStream> {
    return this.#endError === undefined
      ? this.#openRequests.open('uni', options)
      : Promise.reject(this.#endError);
  }

  onStream(handler: (stream: IncomingStream) => void): void {
    this.#handler = handler;
    for (const stream of this.#early.splice(0)) handler(stream);
  }

  close(code: number, reason: string): Promise<void> {
    if (this.#endError === undefined) {
      this.#pump(Number.POSITIVE_INFINITY);
      this.#send({ what: 'close', info: { by: 'peer', code, reason } }, this.#lastLane());
      this.end({ by: 'local', code, reason });
    }
    return this.#closed.promise.then(() => {});
  }

  stats(): ConnectionStats {
    return {
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      packetsIn: this.#segmentsIn,
      packetsOut: this.#segmentsOut,
      packetsLost: 0,
      rttMs: 2 * this.setup.link.conditions.latencyMs,
      // What may be under way at once: here the peer's window alone.
      congestionWindowBytes: this.setup.peerProfile.initialConnectionWindowBytes,
      deliveryRateBytesPerSecond: 0,
      packetSizeBytes: SEGMENT_BYTES,
      ageMs: this.setup.clock.now() - this.#createdAtMs,
      bytesLost: 0,
      bytesRetransmitted: 0,
      streamsOpened: this.#opened,
      streamsOpen: this.#streams.size,
      streamsClosed: this.#opened - this.#streams.size,
      streamsWaiting: this.#openRequests.size,
      streamsAborted: this.#credit.aborted,
      streamBytesRead: this.#streamBytesRead,
      sendBufferedBytes: [...this.#streams.values()].reduce((sum, stream) => sum + stream.bufferedBytes, 0),
      datagrams: this.datagrams.stats(),
    };
  }

  streamStats(): readonly StreamStats[] {
    const now = this.setup.clock.now();
    return [...this.#streams.values()].map((stream) => stream.stats(now));
  }

  /** The connection is over here; the other end is not told. */
  end(info: CloseInfo): void {
    if (this.#endError !== undefined) return;
    const detail = info.code === undefined ? info.reason : `${info.code} ${info.reason}`;
    this.#endError = new TransportError('connection-closed', `the connection has ended: ${detail}`, {
      closeInfo: info,
    });
    for (const stream of [...this.#streams.values()]) stream.fail(this.#endError);
    this.#streams.clear();
    this.#pending.clear();
    this.#held = [];
    this.#openRequests.failAll(this.#endError);
    this.setup.onEnded(this, info);
    this.#closed.resolve(info);
  }

  // --- MemoryStreamHost

  endedWith(): TransportError | undefined {
    return this.#endError;
  }

  markPending(stream: MemoryStream): void {
    this.#pending.add(stream);
    this.#schedulePump(0);
  }

  transmit(stream: MemoryStream, segment: StreamSegment): void {
    this.#send({ what: 'stream', streamId: stream.id, segment }, stream.lane);
  }

  countRead(bytes: number): void {
    this.#streamBytesRead += bytes;
    this.#readUnreported += bytes;
    if (this.#readUnreported * 4 < this.setup.profile.initialConnectionWindowBytes) return;
    this.#send({ what: 'window', bytes: this.#readUnreported }, this.#controlLane);
    this.#readUnreported = 0;
  }

  countAbort(stream: MemoryStream): void {
    this.#aborted.add(stream.id);
    this.#credit.count(stream.kind, 0);
    if (!this.#credit.isUsedUp) return;
    const reason = 'too many streams were reset or stopped';
    const info: CloseInfo = { by: 'transport', code: INTERNAL_ERROR, reason };
    this.setup.clock.schedule(0, () => {
      this.#send({ what: 'close', info }, this.#lastLane());
      this.end(info);
    });
  }

  forget(stream: MemoryStream): void {
    this.#streams.delete(stream.id);
    this.#pending.delete(stream);
    // As with quiche, the credit of a stream that was reset or stopped is gone.
    if (stream.initiator === 'peer' && !this.#aborted.has(stream.id)) {
      this.#send({ what: 'stream-credit', kind: stream.kind }, this.#controlLane);
    }
  }

  #createStream(
    id: number,
    kind: 'bidi' | 'uni',
    initiator: 'local' | 'peer',
    urgency: Urgency,
  ): MemoryStream {
    const windowBytes = this.setup.peerProfile.initialStreamWindowBytes;
    const openedAtMs = this.setup.clock.now();
    const stream = new MemoryStream(this, id, kind, initiator, urgency, windowBytes, openedAtMs);
    this.#opened += 1;
    this.#streams.set(id, stream);
    return stream;
  }

  // --- sending

  #schedulePump(delayMs: number): void {
    if (this.#isPumpScheduled) return;
    this.#isPumpScheduled = true;
    this.setup.clock.schedule(delayMs, () => {
      this.#isPumpScheduled = false;
      this.#pump(MAX_BACKLOG_MS);
    });
  }

  /** Sends what waits, most urgent first and in turns among equals, while windows and the link have room. */
  #pump(maxBacklogMs: number): void {
    const { link } = this.setup;
    const inOrder = [...this.#pending].sort((a, b) => a.urgency - b.urgency);
    for (let i = 0; i < inOrder.length; ) {
      const urgency = inOrder[i]?.urgency;
      const equals = inOrder.filter((stream) => stream.urgency === urgency);
      i += equals.length;
      let active = equals;
      while (active.length > 0) {
        active = active.filter((stream) => {
          if (link.backlogMs > maxBacklogMs) return false;
          const sent = stream.pump(Math.min(SEGMENT_BYTES, this.#windowBytes));
          if (sent > 0) this.#windowBytes -= sent;
          if (sent < 0 || !stream.hasPending) this.#pending.delete(stream);
          return sent > 0 && stream.hasPending;
        });
      }
    }
    // A full link asks again when it has room; an exhausted window wakes the stream when it opens.
    if (this.#pending.size > 0 && this.#endError === undefined)
      this.#schedulePump(Math.max(link.backlogMs, 0.1));
  }

  #send(segment: Segment, lane = this.#controlLane): void {
    const other = this.#other;
    if (other === undefined || this.#endError !== undefined) return;
    const data =
      segment.what === 'stream' && segment.segment.what === 'data' ? segment.segment.bytes.length : 0;
    this.#bytesOut += data + OVERHEAD_BYTES;
    this.#segmentsOut += 1;
    this.setup.link.transmit(lane, data + OVERHEAD_BYTES, () =>
      other.receive(segment, data + OVERHEAD_BYTES),
    );
  }

  #transmitDatagram(bytes: Uint8Array): void {
    const sizeBytes = bytes.length + OVERHEAD_BYTES;
    this.#bytesOut += sizeBytes;
    this.#segmentsOut += 1;
    this.setup.link.transmitOnce(sizeBytes, () =>
      this.#other?.receive({ what: 'datagram', bytes }, sizeBytes),
    );
  }

  /** A lane on which a segment arrives after everything sent before it. */
  #lastLane(): { arrivesAtMs: number } {
    const lanes = [this.#controlLane, ...[...this.#streams.values()].map((stream) => stream.lane)];
    return { arrivesAtMs: Math.max(...lanes.map((lane) => lane.arrivesAtMs)) };
  }

  // --- receiving

  receive(segment: Segment, sizeBytes: number): void {
    if (this.#endError !== undefined) return;
    this.#bytesIn += sizeBytes;
    this.#segmentsIn += 1;
    if (this.#identity === undefined && segment.what !== 'close') this.#held.push(segment);
    else this.#deliver(segment);
  }

  #deliver(segment: Segment): void {
    if (this.#endError !== undefined) return;
    switch (segment.what) {
      case 'stream':
        this.#deliverToStream(segment.streamId, segment.segment);
        return;
      case 'stream-credit':
        this.#openRequests.addCredit(segment.kind);
        return;
      case 'window':
        this.#windowBytes += segment.bytes;
        for (const stream of this.#streams.values()) if (stream.hasPending) this.markPending(stream);
        return;
      case 'datagram':
        this.datagrams.handle(segment.bytes);
        return;
      case 'close':
        this.end(segment.info);
    }
  }

  #deliverToStream(id: number, segment: StreamSegment): void {
    const known = this.#streams.get(id);
    if (known !== undefined) {
      known.handleSegment(segment);
      return;
    }
    const isOurs = (id & 1) === (this.role === 'dialler' ? 0 : 1);
    if (isOurs || this.#aborted.has(id) || (segment.what !== 'data' && segment.what !== 'reset')) {
      if (segment.what === 'data') this.countRead(segment.bytes.length);
      return;
    }
    const stream = this.#createStream(id, (id & 2) === 0 ? 'bidi' : 'uni', 'peer', DEFAULT_URGENCY);
    const incoming = stream as IncomingStream;
    stream.handleSegment(segment);
    if (this.#handler === undefined) this.#early.push(incoming);
    else this.#handler(incoming);
  }
}
