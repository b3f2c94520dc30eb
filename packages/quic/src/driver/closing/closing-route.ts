import type { SocketAddress } from '../../transport.js';
import type { Route } from '../route.js';

/**
 * Sent again unasked this long after the first time, in ms: two packets lost in a row are common, a close that nobody heard
 * costs the peer its idle timeout, and one that is repeated costs a packet.
 */
export const CLOSE_REPEATS_MS: readonly number[] = [10, 50];

/**
 * Stands in for a connection that was closed here: quiche sends its close once only, so the datagram is kept and sent
 * again: a little later in any case, and whenever the peer goes on talking; after 1, 2, 4, 8, … more packets, so that it
 * cannot be used to amplify.
 */
export class ClosingRoute implements Route {
  #received = 0;
  #answerAt = 1;
  readonly #timers: NodeJS.Timeout[];

  constructor(
    private readonly datagram: Uint8Array,
    private readonly to: SocketAddress,
    private readonly send: (datagram: Uint8Array, to: SocketAddress) => void,
    lifetime: { readonly lingerMs: number; readonly onOver: () => void },
  ) {
    this.repeat();
    const lingerMs = Math.max(lifetime.lingerMs, MIN_LINGER_MS);
    this.#timers = [
      ...CLOSE_REPEATS_MS.map((delayMs) => setTimeout(() => this.repeat(), delayMs)),
      setTimeout(lifetime.onOver, Math.min(lingerMs, MAX_LINGER_MS)),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  receive(): void {
    this.#received += 1;
    if (this.#received < this.#answerAt) return;
    this.#answerAt *= 2;
    this.repeat();
  }

  repeat(): void {
    this.send(this.datagram, this.to);
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

const MIN_LINGER_MS = 100;
const MAX_LINGER_MS = 3_000;
