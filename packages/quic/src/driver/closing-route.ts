import type { SocketAddress } from '../transport.js';
import type { Route } from './route.js';

/**
 * Stands in for a connection that was closed here: quiche sends its close once only, so the datagram is kept and sent
 * again when the peer goes on talking; after 1, 2, 4, 8, … more packets, so that it cannot be used to amplify.
 */
export class ClosingRoute implements Route {
  #received = 0;
  #answerAt = 1;

  constructor(
    private readonly datagram: Uint8Array,
    private readonly to: SocketAddress,
    private readonly send: (datagram: Uint8Array, to: SocketAddress) => void,
  ) {}

  receive(): void {
    this.#received += 1;
    if (this.#received < this.#answerAt) return;
    this.#answerAt *= 2;
    this.send(this.datagram, this.to);
  }
}
