import { randomBytes } from 'node:crypto';
import type { QuicheConfig } from '../quiche-binding.js';

/** BoringSSL: 16 bytes of name, 16 of HMAC key, 16 of AES key. */
const TICKET_KEY_BYTES = 48;
const DEFAULT_LIFETIME_MS = 3_600_000;

/**
 * The keys under which an acceptor hands out session tickets. In memory only, and one at a time: with a new key every
 * ticket given out before is worthless, and its holder does a full handshake once. Times in ms, monotonic.
 */
export class TicketKeys {
  #madeAtMs = Number.NEGATIVE_INFINITY;

  /** `isResuming` false: no ticket is ever good, because each connection gets a key of its own. */
  constructor(
    private readonly config: Pick<QuicheConfig, 'setTicketKey'>,
    private readonly options: { readonly isResuming: boolean; readonly lifetimeMs?: number | undefined },
  ) {}

  /** Before each `accept`: the key is read by TLS whenever it opens or writes a ticket. */
  prepare(now: number): void {
    const lifetimeMs = this.options.lifetimeMs ?? DEFAULT_LIFETIME_MS;
    if (this.options.isResuming && now - this.#madeAtMs < lifetimeMs) return;
    this.#madeAtMs = now;
    this.config.setTicketKey(randomBytes(TICKET_KEY_BYTES));
  }

  /** Every ticket given out so far is worthless from now on, also for handshakes that are under way. */
  forget(): void {
    this.#madeAtMs = Number.NEGATIVE_INFINITY;
    this.config.setTicketKey(randomBytes(TICKET_KEY_BYTES));
  }
}
