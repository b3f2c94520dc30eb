import { type BidiStream, type StreamStats, TransportError, type Urgency } from '../transport.js';
import { Waiter } from '../waiter.js';
import { createLane, type Lane } from './link.js';

const RESOLVED = Promise.resolve();

/** What one end tells the other about a stream. */
export type StreamSegment =
  | { readonly what: 'data'; readonly bytes: Uint8Array; readonly isEnd: boolean }
  | { readonly what: 'reset'; readonly code: number }
  | { readonly what: 'stop'; readonly code: number }
  /** The reader has taken this many bytes more. */
  | { readonly what: 'window'; readonly bytes: number };

export interface MemoryStreamHost {
  readonly sendHighWaterBytes: number;
  endedWith(): TransportError | undefined;
  markPending(stream: MemoryStream): void;
  transmit(stream: MemoryStream, segment: StreamSegment): void;
  countRead(bytes: number): void;
  countAbort(stream: MemoryStream): void;
  forget(stream: MemoryStream): void;
}

/** One end of a stream. Same rules as the driver's; see the ports. */
export class MemoryStream implements BidiStream {
  readonly lane: Lane = createLane();
  #readBytes = 0;
  #sentBytes = 0;
  #queue: Uint8Array[] = [];
  #bufferedBytes = 0;
  #windowBytes: number;
  #isFinishing = false;
  #sendOver: boolean;
  #sendError: TransportError | undefined;
  #roomWaiter: Waiter<void> | undefined;
  #finishWaiter: Waiter<void> | undefined;
  #received: Uint8Array[] = [];
  #endArrived = false;
  #receiveOver: boolean;
  #receiveError: TransportError | undefined;
  #readWaiter: Waiter<Uint8Array | null> | undefined;
  /** Where the waiting read wants its bytes. */
  #readInto: Uint8Array | undefined;

  constructor(
    private readonly host: MemoryStreamHost,
    readonly id: number,
    readonly kind: 'bidi' | 'uni',
    readonly initiator: 'local' | 'peer',
    public urgency: Urgency,
    windowBytes: number,
    private readonly openedAtMs: number,
  ) {
    this.#windowBytes = windowBytes;
    this.#sendOver = kind === 'uni' && initiator === 'peer';
    this.#receiveOver = kind === 'uni' && initiator === 'local';
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get hasPending(): boolean {
    return !this.#sendOver && (this.#bufferedBytes > 0 || this.#isFinishing);
  }

  stats(now: number): StreamStats {
    return {
      id: this.id,
      kind: this.kind,
      openedBy: this.initiator,
      urgency: this.urgency,
      ageMs: now - this.openedAtMs,
      bytesIn: this.#readBytes,
      bytesOut: this.#sentBytes,
      bufferedBytes: this.#bufferedBytes,
    };
  }

  write(bytes: Uint8Array): Promise<void> {
    const error = this.#sendError ?? this.host.endedWith();
    if (error !== undefined) return Promise.reject(error);
    if (this.#isFinishing || this.#sendOver) return Promise.reject(misused('written to after its end'));
    if (bytes.length === 0) return RESOLVED;
    this.#queue.push(bytes);
    this.#bufferedBytes += bytes.length;
    this.host.markPending(this);
    if (this.#bufferedBytes < this.host.sendHighWaterBytes) return RESOLVED;
    this.#roomWaiter ??= new Waiter();
    return this.#roomWaiter.promise;
  }

  finish(): Promise<void> {
    const error = this.#sendError ?? this.host.endedWith();
    if (error !== undefined) return Promise.reject(error);
    if (this.#sendOver) {
      return this.#isFinishing ? RESOLVED : Promise.reject(misused('finished, but it only receives'));
    }
    this.#isFinishing = true;
    this.#finishWaiter ??= new Waiter();
    this.host.markPending(this);
    return this.#finishWaiter.promise;
  }

  reset(code: number): void {
    if (this.#sendOver) return;
    this.host.countAbort(this);
    this.host.transmit(this, { what: 'reset', code });
    this.#failSend(new TransportError('stream-reset', 'the stream was reset here', { streamCode: code }));
  }

  setUrgency(urgency: Urgency): void {
    this.urgency = urgency;
  }

  /** Sends at most `limitBytes`; returns how many went out, or -1 when there is nothing to send or no window. */
  pump(limitBytes: number): number {
    if (!this.hasPending) return -1;
    const head = this.#queue[0];
    const count = Math.min(head?.length ?? 0, limitBytes, this.#windowBytes);
    if (head !== undefined && count === 0) return -1;
    this.#sentBytes += count;
    // A copy: what is no longer among `bufferedBytes` belongs to the writer again.
    const bytes = new Uint8Array(head?.subarray(0, count) ?? []);
    if (head !== undefined) {
      if (count === head.length) this.#queue.shift();
      else this.#queue[0] = head.subarray(count);
    }
    this.#bufferedBytes -= count;
    this.#windowBytes -= count;
    const isEnd = this.#isFinishing && this.#bufferedBytes === 0;
    this.host.transmit(this, { what: 'data', bytes, isEnd });
    if (isEnd) this.#completeSend();
    else if (this.#bufferedBytes * 2 < this.host.sendHighWaterBytes) this.#wakeWriter();
    return count;
  }

  read(into?: Uint8Array): Promise<Uint8Array | null> {
    if (this.#readWaiter !== undefined) return Promise.reject(misused('read twice at once'));
    if (this.#receiveError !== undefined) return Promise.reject(this.#receiveError);
    if (this.kind === 'uni' && this.initiator === 'local')
      return Promise.reject(misused('read, but it only sends'));
    if (this.#receiveOver) return Promise.resolve(null);
    const ended = this.host.endedWith();
    if (ended !== undefined) return Promise.reject(ended);
    const bytes = this.#take(into);
    if (bytes !== undefined) return Promise.resolve(bytes);
    this.#readInto = into;
    this.#readWaiter = new Waiter();
    return this.#readWaiter.promise;
  }

  stop(code: number): void {
    if (this.#receiveOver) return;
    this.#take();
    if (!this.#receiveOver) {
      this.host.countAbort(this);
      this.host.transmit(this, { what: 'stop', code });
    }
    this.#failReceive(
      new TransportError('stream-stopped', 'the stream was stopped here', { streamCode: code }),
    );
  }

  /** A segment from the other end. */
  handleSegment(segment: StreamSegment): void {
    switch (segment.what) {
      case 'data':
        this.#handleData(segment.bytes, segment.isEnd);
        return;
      case 'reset':
        if (this.#receiveOver) return;
        this.host.countAbort(this);
        this.#failReceive(
          new TransportError('stream-reset', 'the peer reset the stream', { streamCode: segment.code }),
        );
        return;
      case 'stop':
        if (this.#sendOver) return;
        this.host.countAbort(this);
        this.#failSend(
          new TransportError('stream-stopped', 'the peer asked for no more', { streamCode: segment.code }),
        );
        return;
      case 'window':
        this.#windowBytes += segment.bytes;
        if (this.hasPending) this.host.markPending(this);
    }
  }

  /** The connection has ended. */
  fail(error: TransportError): void {
    if (!this.#sendOver) this.#failSend(error);
    if (!this.#receiveOver) this.#failReceive(error);
  }

  #handleData(bytes: Uint8Array, isEnd: boolean): void {
    if (this.#receiveOver) {
      // Thrown away after a stop; the window goes back, or the connection would run dry.
      this.host.countRead(bytes.length);
      return;
    }
    if (bytes.length > 0) this.#received.push(bytes);
    this.#endArrived = isEnd;
    const waiter = this.#readWaiter;
    const next = waiter === undefined ? undefined : this.#take(this.#readInto);
    if (waiter === undefined || next === undefined) return;
    this.#readWaiter = undefined;
    this.#readInto = undefined;
    waiter.resolve(next);
  }

  /** Everything received so far, or what fits `into`; null at the end; undefined when nothing is there. */
  #take(into?: Uint8Array): Uint8Array | null | undefined {
    const all = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received);
    const available = all?.length ?? 0;
    const count = into === undefined ? available : Math.min(available, into.length);
    if (count === 0 && !this.#endArrived) return undefined;
    this.#received = count < available && all !== undefined ? [all.subarray(count)] : [];
    const isLast = this.#endArrived && count === available;
    if (count > 0) {
      this.#readBytes += count;
      this.host.countRead(count);
      if (!isLast) this.host.transmit(this, { what: 'window', bytes: count });
    }
    if (isLast) {
      this.#receiveOver = true;
      this.#forgetIfOver();
    }
    if (count === 0 || all === undefined) return null;
    if (into === undefined) return all;
    into.set(all.subarray(0, count));
    return into.subarray(0, count);
  }

  #wakeWriter(): void {
    this.#roomWaiter?.resolve();
    this.#roomWaiter = undefined;
  }

  #completeSend(): void {
    this.#sendOver = true;
    this.#wakeWriter();
    this.#finishWaiter?.resolve();
    this.#finishWaiter = undefined;
    this.#forgetIfOver();
  }

  #failSend(error: TransportError): void {
    this.#sendOver = true;
    this.#sendError = error;
    this.#queue = [];
    this.#bufferedBytes = 0;
    this.#roomWaiter?.reject(error);
    this.#finishWaiter?.reject(error);
    this.#roomWaiter = undefined;
    this.#finishWaiter = undefined;
    this.#forgetIfOver();
  }

  #failReceive(error: TransportError): void {
    this.#receiveOver = true;
    this.#receiveError ??= error;
    for (const bytes of this.#received.splice(0)) this.host.countRead(bytes.length);
    this.#readWaiter?.reject(this.#receiveError);
    this.#readWaiter = undefined;
    this.#forgetIfOver();
  }

  #forgetIfOver(): void {
    if (this.#sendOver && this.#receiveOver) this.host.forget(this);
  }
}

function misused(what: string): TransportError {
  return new TransportError('stream-misused', `the stream was ${what}`);
}
