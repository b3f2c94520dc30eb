import type { TransportProfile } from './transport-profile.js';

/**
 * Resets and stops leak: quiche 0.18 never gives back the stream credit, nor the window that unread bytes took. So they
 * are counted, and the connection is replaced when a quarter of either is gone, long before it would fall silent.
 */
export class AbortCredit {
  #bidi = 0;
  #uni = 0;
  #unreadBytes = 0;

  constructor(private readonly profile: TransportProfile) {}

  get aborted(): number {
    return this.#bidi + this.#uni;
  }

  get isUsedUp(): boolean {
    return (
      this.#bidi * 4 >= this.profile.maxBidiStreams ||
      this.#uni * 4 >= this.profile.maxUniStreams ||
      this.#unreadBytes * 4 >= this.profile.maxConnectionWindowBytes
    );
  }

  /** `unreadBytes`: how much of the connection's window may have been lost with the stream, at most. */
  count(kind: 'bidi' | 'uni', unreadBytes: number): void {
    if (kind === 'bidi') this.#bidi += 1;
    else this.#uni += 1;
    this.#unreadBytes += Math.min(unreadBytes, this.profile.maxStreamWindowBytes);
  }
}
