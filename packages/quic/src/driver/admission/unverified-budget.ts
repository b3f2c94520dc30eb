import type { AdmissionLimits } from '../options.js';

/**
 * What a connection may cost before its peer is verified. quiche 0.18 keeps whatever a half-open connection is sent, so
 * the rest is dropped before it gets there; a handshake needs less than ten datagrams.
 */
export class UnverifiedBudget {
  #datagrams = 0;
  #bytes = 0;

  constructor(
    private readonly limits: Pick<AdmissionLimits, 'maxUnverifiedDatagrams' | 'maxUnverifiedBytes'>,
  ) {}

  /** Whether a datagram of this size may still be looked at. */
  admit(bytes: number): boolean {
    if (this.#datagrams >= this.limits.maxUnverifiedDatagrams) return false;
    if (this.#bytes + bytes > this.limits.maxUnverifiedBytes) return false;
    this.#datagrams += 1;
    this.#bytes += bytes;
    return true;
  }
}
