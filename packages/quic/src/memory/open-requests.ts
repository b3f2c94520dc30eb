import { type OpenOptions, TransportError, type Urgency } from '../transport.js';
import type { TransportProfile } from '../transport-profile.js';
import { Waiter } from '../waiter.js';
import type { MemoryStream } from './memory-stream.js';

interface OpenRequest {
  readonly kind: 'bidi' | 'uni';
  readonly urgency: Urgency;
  readonly waiter: Waiter<MemoryStream>;
}

const DEFAULT_URGENCY: Urgency = 3;

/** Streams that this end wants to open, and how many more the other end allows. */
export class OpenRequests {
  readonly #waiting: OpenRequest[] = [];
  #bidiLeft: number;
  #uniLeft: number;
  #nextBidiId: number;
  #nextUniId: number;

  constructor(
    role: 'dialler' | 'acceptor',
    peerProfile: Pick<TransportProfile, 'maxBidiStreams' | 'maxUniStreams'>,
    private readonly create: (id: number, kind: 'bidi' | 'uni', urgency: Urgency) => MemoryStream,
  ) {
    this.#bidiLeft = peerProfile.maxBidiStreams;
    this.#uniLeft = peerProfile.maxUniStreams;
    this.#nextBidiId = role === 'dialler' ? 0 : 1;
    this.#nextUniId = this.#nextBidiId + 2;
  }

  get size(): number {
    return this.#waiting.length;
  }

  open(kind: 'bidi' | 'uni', options: OpenOptions = {}): Promise<MemoryStream> {
    const { urgency = DEFAULT_URGENCY, signal } = options;
    if (signal?.aborted === true) return Promise.reject(abortedOpen(signal));
    const waiter = new Waiter<MemoryStream>();
    const request: OpenRequest = { kind, urgency, waiter };
    this.#waiting.push(request);
    this.#serve();
    const onAbort = (): void => {
      const at = this.#waiting.indexOf(request);
      if (at >= 0) this.#waiting.splice(at, 1);
      if (signal !== undefined) waiter.reject(abortedOpen(signal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const forgetSignal = (): void => signal?.removeEventListener('abort', onAbort);
    waiter.promise.then(forgetSignal, forgetSignal);
    return waiter.promise;
  }

  /** The other end allows one more. */
  addCredit(kind: 'bidi' | 'uni'): void {
    if (kind === 'bidi') this.#bidiLeft += 1;
    else this.#uniLeft += 1;
    this.#serve();
  }

  failAll(error: TransportError): void {
    for (const request of this.#waiting.splice(0)) request.waiter.reject(error);
  }

  #serve(): void {
    for (const kind of ['bidi', 'uni'] as const) {
      for (;;) {
        const at = this.#waiting.findIndex((request) => request.kind === kind);
        const request = this.#waiting[at];
        if (request === undefined || !this.#takeCredit(kind)) break;
        this.#waiting.splice(at, 1);
        request.waiter.resolve(this.create(this.#takeId(kind), kind, request.urgency));
      }
    }
  }

  #takeCredit(kind: 'bidi' | 'uni'): boolean {
    if ((kind === 'bidi' ? this.#bidiLeft : this.#uniLeft) <= 0) return false;
    if (kind === 'bidi') this.#bidiLeft -= 1;
    else this.#uniLeft -= 1;
    return true;
  }

  #takeId(kind: 'bidi' | 'uni'): number {
    const id = kind === 'bidi' ? this.#nextBidiId : this.#nextUniId;
    if (kind === 'bidi') this.#nextBidiId += 4;
    else this.#nextUniId += 4;
    return id;
  }
}

function abortedOpen(signal: AbortSignal): TransportError {
  return new TransportError('aborted', 'opening the stream was given up', { cause: signal.reason });
}
