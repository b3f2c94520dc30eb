import { AbortCredit } from '../abort-credit.js';
import { TransportCloseCode } from '../close-codes.js';
import type { TransportProfile } from '../transport-profile.js';
import { ReceiveBudget } from './receive-budget.js';

export interface ExceededLimit {
  /** A code of QUIC itself, not of an application. */
  readonly code: number;
  readonly reason: string;
}

/** What AES-GCM allows (RFC 9001, 6.6), less what may go out before anybody looks. */
const DEFAULT_MAX_PACKETS_PER_KEY = 2 ** 23 - 4_096;

/** What quiche would suffer in silence: exceeded, the connection is given up while a fresh one can still replace it. */
export class ConnectionLimits {
  readonly credit: AbortCredit;
  readonly budget: ReceiveBudget;
  readonly #maxPackets: number;
  #packets = 0;
  #streamBytesRead = 0;

  constructor(profile: TransportProfile, now: number) {
    this.credit = new AbortCredit(profile);
    this.budget = new ReceiveBudget(profile.maxConnectionWindowBytes, now);
    this.#maxPackets = profile.maxPacketsPerKey ?? DEFAULT_MAX_PACKETS_PER_KEY;
  }

  get streamBytesRead(): number {
    return this.#streamBytesRead;
  }

  /** The application took bytes of a stream. */
  noteRead(bytes: number): void {
    this.#streamBytesRead += bytes;
    this.budget.noteDelivered(bytes);
  }

  noteSent(packets: number): void {
    this.#packets += packets;
    this.budget.noteSent(packets);
  }

  findExceeded(now: number): ExceededLimit | undefined {
    if (this.credit.isUsedUp)
      return { code: TransportCloseCode.internalError, reason: 'too many streams were reset or stopped' };
    if (this.budget.isExceeded(now))
      return { code: TransportCloseCode.internalError, reason: 'too many bytes came that carry nothing' };
    if (this.#packets >= this.#maxPackets)
      return { code: TransportCloseCode.aeadLimitReached, reason: 'the keys are used up' };
    return undefined;
  }
}
