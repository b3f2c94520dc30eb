import {
  type ConnectionStats,
  type IncomingStream,
  type OpenOptions,
  type StreamCandidate,
  type StreamStats,
  type StreamVerdict,
  TransportError,
  type Urgency,
} from '../../transport.js';
import { Waiter } from '../../waiter.js';
import { parseQuicheError } from '../error-parsing.js';
import { AuthenticatedStream } from './authenticated-stream.js';
import { IdentificationWatch } from './identification-watch.js';
import { MeasuredStream } from './measured-stream.js';
import type { QuicStream, StreamKind } from './stream.js';
import type { StreamAdmission } from './stream-admission.js';
import type { StreamHost } from './stream-host.js';

const DEFAULT_URGENCY: Urgency = 3;
/** Bit 0 of a stream ID says who opened it (1: the acceptor), bit 1 whether it is unidirectional (RFC 9000, 2.1). */
const UNIDIRECTIONAL_BIT = 2;

const MAX_STREAMS_TO_CHECK = 64;

interface OpenRequest {
  readonly kind: StreamKind;
  readonly urgency: Urgency;
  readonly waiter: Waiter<QuicStream>;
}

/** The streams of one connection: those open, those that wait for credit, and those not handed up yet. */
export class StreamTable {
  readonly #streams = new Map<number, MeasuredStream>();
  /** Streams that ended by a reset or stop; few, because each costs credit. */
  readonly #aborted = new Set<number>();
  readonly #openRequests: OpenRequest[] = [];
  #early: IncomingStream[] = [];
  #handler: ((stream: IncomingStream) => void) | undefined;
  #nextBidiId: number;
  #nextUniId: number;
  #opened = 0;
  readonly #localBit: number;
  readonly #watch: IdentificationWatch | undefined;

  constructor(
    private readonly host: StreamHost,
    role: 'dialler' | 'acceptor',
    private readonly admission: StreamAdmission,
  ) {
    this.#localBit = role === 'dialler' ? 0 : 1;
    this.#nextBidiId = this.#localBit;
    this.#nextUniId = this.#localBit | UNIDIRECTIONAL_BIT;
    const { identification } = admission;
    this.#watch = identification === undefined ? undefined : new IdentificationWatch(role, identification);
  }

  stats(): Pick<
    ConnectionStats,
    'streamsOpened' | 'streamsOpen' | 'streamsClosed' | 'streamsWaiting' | 'sendBufferedBytes'
  > {
    let sendBufferedBytes = 0;
    for (const stream of this.#streams.values()) sendBufferedBytes += stream.bufferedBytes;
    return {
      streamsOpened: this.#opened,
      streamsOpen: this.#streams.size,
      streamsClosed: this.#opened - this.#streams.size,
      streamsWaiting: this.#openRequests.length,
      sendBufferedBytes,
    };
  }

  streamStats(): readonly StreamStats[] {
    const now = performance.now();
    return [...this.#streams.values()].map((stream) => stream.stats(now));
  }

  onStream(handler: (stream: IncomingStream) => void): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const stream of early) handler(stream);
  }

  open(kind: StreamKind, options: OpenOptions = {}): Promise<QuicStream> {
    const { urgency = DEFAULT_URGENCY, signal } = options;
    const error = this.host.endedWith() ?? (signal?.aborted === true ? abortedOpen(signal) : undefined);
    if (error !== undefined) return Promise.reject(error);
    const waitsInLine = this.#openRequests.some((request) => request.kind === kind);
    const stream = waitsInLine ? undefined : this.#tryOpen(kind, urgency);
    if (stream !== undefined) return Promise.resolve(stream);
    const request: OpenRequest = { kind, urgency, waiter: new Waiter() };
    this.#openRequests.push(request);
    if (signal !== undefined) {
      const onAbort = (): void => {
        const at = this.#openRequests.indexOf(request);
        if (at >= 0) this.#openRequests.splice(at, 1);
        request.waiter.reject(abortedOpen(signal));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const forgetSignal = (): void => signal.removeEventListener('abort', onAbort);
      request.waiter.promise.then(forgetSignal, forgetSignal);
    }
    return request.waiter.promise;
  }

  /** Called when the peer may have granted more streams. */
  #serveOpenRequests(): void {
    if (this.#openRequests.length === 0) return;
    const blocked = new Set<StreamKind>();
    for (let i = 0; i < this.#openRequests.length && blocked.size < 2; ) {
      const request = this.#openRequests[i];
      if (request === undefined) return;
      const stream = blocked.has(request.kind) ? undefined : this.#tryOpen(request.kind, request.urgency);
      if (stream === undefined) {
        blocked.add(request.kind);
        i += 1;
        continue;
      }
      this.#openRequests.splice(i, 1);
      request.waiter.resolve(stream);
    }
  }

  /** When a stream of the peer may have been silent for too long. */
  get identificationDueMs(): number {
    return this.#watch?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Packets arrived. Stops as soon as somebody whom that woke has ended the connection. */
  handleReceived(now: number): void {
    this.#handleReadable();
    if (this.host.endedWith() !== undefined) return;
    this.#checkStopped();
    this.#watch?.noteReceived();
    this.checkIdentified(now);
    if (this.host.endedWith() === undefined) this.#serveOpenRequests();
  }

  /** Looks at every stream that quiche calls readable: wakes readers, and hands up what the peer opened. */
  #handleReadable(): void {
    for (const id of this.host.quiche.readable()) {
      const known = this.#streams.get(id);
      if (known !== undefined) {
        known.handleReadable();
      } else if ((id & 1) !== this.#localBit) {
        this.#admit(id);
      } else {
        this.#discard(id);
      }
    }
  }

  /** Closes the connection of a peer that opens streams and does not begin them. */
  checkIdentified(now: number): void {
    const { identification, refuse } = this.admission;
    const id = this.#watch?.findOverdue(now, (suspect) => !this.host.quiche.streamFinished(suspect));
    if (id === undefined || identification === undefined) return;
    refuse(identification.closeCode, `stream ${id} did not say its kind in time`);
  }

  /** Finds stops on streams that write nothing just now. Of very many streams it would cost more than the code is worth. */
  #checkStopped(): void {
    if (this.#streams.size > MAX_STREAMS_TO_CHECK) return;
    for (const stream of this.#streams.values()) stream.checkStopped();
  }

  forget(stream: QuicStream): void {
    this.#streams.delete(stream.id);
    if (stream.wasAborted) this.#aborted.add(stream.id);
  }

  failAll(error: TransportError): void {
    for (const stream of [...this.#streams.values()]) stream.fail(error);
    this.#streams.clear();
    for (const request of this.#openRequests.splice(0)) request.waiter.reject(error);
  }

  #tryOpen(kind: StreamKind, urgency: Urgency): QuicStream | undefined {
    const { quiche } = this.host;
    const left = kind === 'bidi' ? quiche.peerStreamsLeftBidi() : quiche.peerStreamsLeftUni();
    if (left <= 0) return undefined;
    const id = kind === 'bidi' ? this.#nextBidiId : this.#nextUniId;
    if (kind === 'bidi') this.#nextBidiId += 4;
    else this.#nextUniId += 4;
    const stream = new MeasuredStream(this.host, id, kind, 'local', urgency);
    stream.announcePriority();
    this.#add(stream);
    return stream;
  }

  #admit(id: number): void {
    const kind = (id & UNIDIRECTIONAL_BIT) === 0 ? 'bidi' : 'uni';
    // A stream that was over for us can become readable once more, by a late reset; it is not a new one.
    if (this.#aborted.has(id)) {
      this.#discard(id);
      return;
    }
    this.#watch?.note(id);
    const stream = new MeasuredStream(this.host, id, kind, 'peer', DEFAULT_URGENCY);
    stream.announcePriority();
    this.#add(stream);
    if (this.admission.judge === undefined) this.#handUp(stream as IncomingStream);
    else this.#authenticate(stream, this.admission.judge);
  }

  #handUp(incoming: IncomingStream): void {
    if (this.#handler === undefined) this.#early.push(incoming);
    else this.#handler(incoming);
  }

  /** Its first byte is there already: only a stream that has one becomes readable. */
  #authenticate(stream: MeasuredStream, judge: (stream: StreamCandidate) => StreamVerdict): void {
    const { id, kind } = stream;
    stream.read(new Uint8Array(1)).then(
      (first) => {
        const verdict = this.#judge(judge, { id, kind, firstByte: first?.[0] });
        if (verdict === undefined) {
          this.admission.fail('a stream could not be judged');
        } else if (verdict.accepted) {
          this.#handUp(new AuthenticatedStream(stream, first?.[0]) as IncomingStream);
        } else if ('closeCode' in verdict) {
          this.admission.refuse(verdict.closeCode, verdict.reason);
        } else {
          stream.stop(verdict.streamCode);
          stream.reset(verdict.streamCode);
        }
      },
      // Reset before it said anything, or the connection has ended: nobody hears of it.
      () => stream.finish().catch(() => {}),
    );
  }

  /** Undefined where the judge stumbles. */
  #judge(
    judge: (stream: StreamCandidate) => StreamVerdict,
    stream: StreamCandidate,
  ): StreamVerdict | undefined {
    try {
      return judge(stream);
    } catch {
      return undefined;
    }
  }

  #add(stream: MeasuredStream): void {
    this.#streams.set(stream.id, stream);
    this.#opened += 1;
  }

  /** Reads what nobody wants any more, so that it leaves quiche. */
  #discard(id: number): void {
    try {
      while (this.host.quiche.streamRecv(id, this.host.scratch) !== null);
    } catch (error) {
      if (parseQuicheError(error).kind === 'other') throw error;
    }
  }
}

function abortedOpen(signal: AbortSignal): TransportError {
  return new TransportError('aborted', 'opening the stream was given up', { cause: signal.reason });
}
