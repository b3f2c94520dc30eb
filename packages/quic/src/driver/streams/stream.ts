import { type BidiStream, TransportError, type Urgency } from '../../transport.js';
import { Waiter } from '../../waiter.js';
import { parseQuicheError } from '../error-parsing.js';
import { quiche as binding } from '../quiche-binding.js';
import { SendQueue } from '../sending/send-queue.js';
import type { StreamHost } from './stream-host.js';

export type StreamKind = 'bidi' | 'uni';

const RESOLVED = Promise.resolve();
const EMPTY = new Uint8Array(0);

/**
 * One QUIC stream; of a unidirectional one only one half is ever used.
 *
 * Received bytes stay in quiche until somebody reads, so that flow control is the backpressure. Written bytes wait in a
 * queue of ours until the connection's scheduler hands them to quiche in order of urgency.
 */
export class QuicStream implements BidiStream {
  #urgency: Urgency;
  readonly #queue = new SendQueue();
  #finishing = false;
  #sendOver: boolean;
  #sendError: TransportError | undefined;
  #roomWaiter: Waiter<void> | undefined;
  #finishWaiter: Waiter<void> | undefined;
  #receiveOver: boolean;
  #receiveError: TransportError | undefined;
  #readWaiter: Waiter<Uint8Array | null> | undefined;
  /** Where the waiting read wants its bytes. */
  #readInto: Uint8Array | undefined;
  #maybeReadable = true;
  #readBytes = 0;

  constructor(
    private readonly host: StreamHost,
    readonly id: number,
    readonly kind: StreamKind,
    readonly initiator: 'local' | 'peer',
    urgency: Urgency,
  ) {
    this.#urgency = urgency;
    this.#sendOver = kind === 'uni' && initiator === 'peer';
    this.#receiveOver = kind === 'uni' && initiator === 'local';
  }

  get urgency(): Urgency {
    return this.#urgency;
  }

  get bufferedBytes(): number {
    return this.#queue.bufferedBytes;
  }

  /** Bytes read so far; what the peer may have had in flight besides grows with it. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /** Whether a direction ended by a reset or a stop. */
  get wasAborted(): boolean {
    return this.#sendError !== undefined || this.#receiveError !== undefined;
  }

  get hasPending(): boolean {
    return !this.#sendOver && (this.#queue.bufferedBytes > 0 || this.#finishing);
  }

  // --- sending

  write(bytes: Uint8Array): Promise<void> {
    const error = this.#sendError ?? this.host.endedWith();
    if (error !== undefined) return Promise.reject(error);
    if (this.#finishing || this.#sendOver) return Promise.reject(misused('written to after its end'));
    if (bytes.length === 0) return RESOLVED;
    this.#queue.push(bytes);
    this.host.markPending(this);
    if (this.#queue.bufferedBytes < this.host.sendHighWaterBytes) return RESOLVED;
    this.#roomWaiter ??= new Waiter();
    return this.#roomWaiter.promise;
  }

  finish(): Promise<void> {
    const error = this.#sendError ?? this.host.endedWith();
    if (error !== undefined) return Promise.reject(error);
    if (this.#sendOver) {
      return this.#finishing ? RESOLVED : Promise.reject(misused('finished, but it only receives'));
    }
    this.#finishing = true;
    this.#finishWaiter ??= new Waiter();
    this.host.markPending(this);
    return this.#finishWaiter.promise;
  }

  reset(code: number): void {
    if (this.#sendOver) return;
    this.#shutdown(binding.Shutdown.Write, code);
    this.host.countAbort(this, 0);
    this.#failSend(new TransportError('stream-reset', 'the stream was reset here', { streamCode: code }));
    this.host.requestFlush();
  }

  setUrgency(urgency: Urgency): void {
    if (this.#sendOver || urgency === this.#urgency) return;
    this.#urgency = urgency;
    this.announcePriority();
    if (this.hasPending) this.host.markPending(this);
  }

  /** Tells quiche how urgent the stream is; for a stream of ours this also takes one of the peer's stream credits. */
  announcePriority(): void {
    try {
      this.host.quiche.streamPriority(this.id, this.#urgency, true);
    } catch {
      // Finished in the meantime: order no longer matters.
    }
  }

  /**
   * Hands at most `limitBytes` to quiche, keeping `reserveBytes` of its capacity free. Returns how many it took; -1 when
   * the stream has nothing left to send.
   */
  offer(limitBytes: number, reserveBytes: number): number {
    if (!this.hasPending) return -1;
    try {
      return this.#offer(limitBytes, reserveBytes);
    } catch (error) {
      return this.#handleSendError(error) ? -1 : 0;
    }
  }

  /** Looks whether the peer stopped the stream: once quiche has answered that, and the peer knows, the code is gone. */
  checkStopped(): void {
    if (this.#sendOver) return;
    try {
      this.host.quiche.streamCapacity(this.id);
    } catch (error) {
      this.#handleSendError(error);
    }
  }

  /** Whether this is the end of sending. */
  #handleSendError(error: unknown): boolean {
    const failure = parseQuicheError(error);
    if (failure.kind === 'done') return false;
    const stopped = failure.kind === 'stream-stopped';
    if (stopped) this.host.countAbort(this, 0);
    const details = stopped ? { cause: error, streamCode: failure.streamCode } : { cause: error };
    this.#failSend(new TransportError('stream-stopped', 'the peer asked for no more', details));
    return true;
  }

  #offer(limitBytes: number, reserveBytes: number): number {
    const buffered = this.#queue.bufferedBytes;
    let limit = Math.min(limitBytes, buffered);
    if (reserveBytes > 0 && buffered > 0) {
      limit = Math.min(limit, this.host.quiche.streamCapacity(this.id) - reserveBytes);
      if (limit <= 0) return 0;
    }
    const bytes = buffered === 0 ? EMPTY : this.#queue.peek(limit, this.host.scratch);
    const isLast = this.#finishing && bytes.length === buffered;
    const taken = this.host.quiche.streamSend(this.id, bytes, isLast);
    if (taken === null) return 0;
    this.#queue.advance(taken);
    if (isLast && taken === bytes.length) this.#completeSend();
    else if (this.#queue.bufferedBytes * 2 < this.host.sendHighWaterBytes) this.#wakeWriter();
    return taken;
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
    this.#queue.clear();
    this.#roomWaiter?.reject(error);
    this.#finishWaiter?.reject(error);
    this.#roomWaiter = undefined;
    this.#finishWaiter = undefined;
    this.#forgetIfOver();
  }

  // --- receiving

  read(into?: Uint8Array): Promise<Uint8Array | null> {
    if (this.#readWaiter !== undefined) return Promise.reject(misused('read twice at once'));
    const error = this.#receiveError;
    if (error !== undefined) return Promise.reject(error);
    if (this.#receiveOver) {
      if (this.kind === 'uni' && this.initiator === 'local') return Promise.reject(misused('it only sends'));
      return Promise.resolve(null);
    }
    const ended = this.host.endedWith();
    if (ended !== undefined) return Promise.reject(ended);
    if (this.#maybeReadable) {
      const bytes = this.#pull(into);
      if (this.#receiveError !== undefined) return Promise.reject(this.#receiveError);
      if (bytes !== undefined) {
        this.host.requestFlush();
        return Promise.resolve(bytes);
      }
    }
    this.#readInto = into;
    this.#readWaiter = new Waiter();
    return this.#readWaiter.promise;
  }

  stop(code: number): void {
    if (this.#receiveOver) return;
    // What is here already goes back to the window by being read; only what is still on its way will be lost to it.
    this.#drain();
    if (!this.#receiveOver) {
      this.#shutdown(binding.Shutdown.Read, code);
      this.host.countAbort(this, this.host.quiche.maxSendUdpPayloadSize());
    }
    this.#failReceive(
      new TransportError('stream-stopped', 'the stream was stopped here', { streamCode: code }),
    );
    this.host.requestFlush();
  }

  /** New bytes, the end, or a reset arrived. */
  handleReadable(): void {
    this.#maybeReadable = true;
    const waiter = this.#readWaiter;
    if (waiter === undefined) return;
    const bytes = this.#pull(this.#readInto);
    if (bytes === undefined) return;
    this.#readWaiter = undefined;
    this.#readInto = undefined;
    waiter.resolve(bytes);
  }

  /** The next bytes that quiche has; null at the end; undefined when there is nothing yet or the stream failed. */
  #pull(into?: Uint8Array): Uint8Array | null | undefined {
    let result: [number, boolean] | null;
    try {
      result = this.host.quiche.streamRecv(this.id, into ?? this.host.receiveSlab.writable());
    } catch (error) {
      this.#handleReceiveError(error);
      return undefined;
    }
    if (result === null) {
      this.#maybeReadable = false;
      return undefined;
    }
    const [count, isEnd] = result;
    this.#readBytes += count;
    this.host.countReadBytes(count);
    const bytes = count === 0 ? null : (into?.subarray(0, count) ?? this.host.receiveSlab.take(count));
    if (isEnd) {
      this.#receiveOver = true;
      this.#forgetIfOver();
    } else if (bytes === null) {
      return undefined;
    }
    return bytes;
  }

  #handleReceiveError(error: unknown): void {
    const failure = parseQuicheError(error);
    if (failure.kind === 'done') {
      this.#maybeReadable = false;
      return;
    }
    const wasReset = failure.kind === 'stream-reset';
    if (wasReset) this.host.countAbort(this, this.#readWaiter === undefined ? this.#readBytes * 4 : 0);
    const details = wasReset ? { cause: error, streamCode: failure.streamCode } : { cause: error };
    this.#failReceive(new TransportError('stream-reset', 'the peer reset the stream', details));
  }

  #drain(): void {
    while (!this.#receiveOver) {
      const bytes = this.#pull();
      if (bytes === undefined || bytes === null) return;
    }
  }

  #failReceive(error: TransportError): void {
    this.#receiveOver = true;
    this.#receiveError ??= error;
    this.#readWaiter?.reject(this.#receiveError);
    this.#readWaiter = undefined;
    this.#forgetIfOver();
  }

  // --- both

  /** The connection has ended. */
  fail(error: TransportError): void {
    if (!this.#sendOver) this.#failSend(error);
    if (!this.#receiveOver) this.#failReceive(error);
  }

  #shutdown(direction: number, code: number): void {
    try {
      this.host.quiche.streamShutdown(this.id, direction, code);
    } catch {
      // Over already.
    }
  }

  #forgetIfOver(): void {
    if (this.#sendOver && this.#receiveOver) this.host.forget(this);
  }
}

function misused(what: string): TransportError {
  return new TransportError('stream-misused', `the stream was ${what}`);
}
