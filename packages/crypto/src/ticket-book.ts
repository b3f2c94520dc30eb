import type { DeviceId } from './device-id.js';
import { CryptoError } from './errors.js';
import { proofsEqual, redeemProof, ticketId, ticketSecretBytes } from './pairing-ticket.js';

export const defaultTicketTtlMs = 600_000;
/** Longer on request, but never longer than this: a ticket lies about in mails and clipboards. */
export const maxTicketTtlMs = 3_600_000;

export interface TicketBookDependencies {
  /** Monotonic clock, ms: setting the machine's clock must not prolong an invitation. */
  readonly now: () => number;
  readonly randomBytes: (sizeBytes: number) => Uint8Array;
}

export interface TicketBookOptions {
  /** Lifetime of a ticket for which none was asked. Default {@link defaultTicketTtlMs}. */
  readonly defaultTtlMs?: number;
  /** What a longer lifetime is cut to. Default {@link maxTicketTtlMs}. */
  readonly maxTtlMs?: number;
  /** Tickets open at once. Default 16. */
  readonly maxOpen?: number;
  /** Wrong proofs from one address within `wrongProofWindowMs`, beyond which it is not listened to. Default 5. */
  readonly maxWrongProofs?: number;
  /** Default 60,000. */
  readonly wrongProofWindowMs?: number;
}

export interface IssuedTicket {
  readonly id: Uint8Array;
  readonly secret: Uint8Array;
  /** The lifetime it got, which may be shorter than asked for. */
  readonly ttlMs: number;
  /** On the monotonic clock. */
  readonly expiresAtMs: number;
}

export interface RedeemRequest {
  readonly ticketId: Uint8Array;
  readonly proof: Uint8Array;
  /** Own ID. */
  readonly inviterId: DeviceId;
  /** ID from the certificate of the connection that the request came over. */
  readonly accepterId: DeviceId;
  /** Where it came from: the address without the port, or every new port would start afresh. */
  readonly fromAddress: string;
}

export type RedeemOutcome =
  | {
      readonly outcome: 'paired';
      readonly answerProof: Uint8Array;
      /** The same device redeemed it before: nothing new to tell the user. */
      readonly repeated: boolean;
    }
  | {
      readonly outcome: 'refused';
      /** `expired` is told of cancelled tickets too, for as long as they are remembered. */
      readonly reason: 'unknown' | 'expired' | 'used' | 'wrong-proof' | 'rate-limited';
    };

/** Somebody came without a right proof: to be shown to the person who invited. */
export interface WrongAttempt {
  /** On the monotonic clock. */
  readonly atMs: number;
  readonly fromAddress: string;
  readonly accepterId: DeviceId;
  readonly reason: 'unknown' | 'wrong-proof';
}

interface OpenTicket extends IssuedTicket {
  redeemedBy?: DeviceId;
}

const maxShownAttempts = 32;
const maxWatchedAddresses = 256;
const maxRememberedClosed = 64;

/**
 * The inviter's open tickets. One device per ticket; that device may redeem it again until it expires, so that an answer
 * lost on the way leaves no half a pair. Wrong proofs are counted and shown and never void a ticket, or any stranger could.
 */
export class TicketBook {
  readonly #now: () => number;
  readonly #randomBytes: (sizeBytes: number) => Uint8Array;
  readonly #options: Required<TicketBookOptions>;
  readonly #open = new Map<string, OpenTicket>();
  readonly #closed = new Set<string>();
  readonly #wrongTimesMs = new Map<string, number[]>();
  #wrongAttempts: WrongAttempt[] = [];
  #refusedAttemptCount = 0;

  constructor(dependencies: TicketBookDependencies, options: TicketBookOptions = {}) {
    this.#now = dependencies.now;
    this.#randomBytes = dependencies.randomBytes;
    this.#options = {
      defaultTtlMs: options.defaultTtlMs ?? defaultTicketTtlMs,
      maxTtlMs: options.maxTtlMs ?? maxTicketTtlMs,
      maxOpen: options.maxOpen ?? 16,
      maxWrongProofs: options.maxWrongProofs ?? 5,
      wrongProofWindowMs: options.wrongProofWindowMs ?? 60_000,
    };
  }

  /**
   * Opens a ticket. A lifetime beyond the longest is cut. Throws `bad-ticket-lifetime` for one that is not a positive
   * number, `too-many-tickets` when no more may be open.
   */
  issue(request: { readonly ttlMs?: number | undefined } = {}): IssuedTicket {
    const askedMs = request.ttlMs ?? this.#options.defaultTtlMs;
    if (!(askedMs > 0)) throw new CryptoError('bad-ticket-lifetime', 'an invitation must last some time');
    this.#expire();
    if (this.#open.size >= this.#options.maxOpen) {
      throw new CryptoError(
        'too-many-tickets',
        `${this.#options.maxOpen} invitations are open: wait for one to expire, or cancel one`,
      );
    }
    const ttlMs = Math.min(askedMs, this.#options.maxTtlMs);
    const secret = this.#randomBytes(ticketSecretBytes);
    const ticket: OpenTicket = { id: ticketId(secret), secret, ttlMs, expiresAtMs: this.#now() + ttlMs };
    this.#open.set(keyOf(ticket.id), ticket);
    return { ...ticket };
  }

  /**
   * Judges a request to redeem. Store the accepter as paired before the answer goes out.
   * An address with too many wrong proofs is told `rate-limited`, whatever it brings.
   */
  redeem(request: RedeemRequest): RedeemOutcome {
    this.#expire();
    if (this.#isRateLimited(request.fromAddress)) {
      this.#refusedAttemptCount += 1;
      return { outcome: 'refused', reason: 'rate-limited' };
    }
    const key = keyOf(request.ticketId);
    const ticket = this.#open.get(key);
    if (ticket === undefined) {
      return this.#closed.has(key)
        ? { outcome: 'refused', reason: 'expired' }
        : this.#refuseWrong(request, 'unknown');
    }
    const { inviterId, accepterId } = request;
    if (!proofsEqual(request.proof, redeemProof(ticket.secret, 'accepter', inviterId, accepterId))) {
      return this.#refuseWrong(request, 'wrong-proof');
    }
    if (ticket.redeemedBy !== undefined && ticket.redeemedBy !== accepterId) {
      return { outcome: 'refused', reason: 'used' };
    }
    const repeated = ticket.redeemedBy === accepterId;
    ticket.redeemedBy = accepterId;
    const answerProof = redeemProof(ticket.secret, 'inviter', inviterId, accepterId);
    return { outcome: 'paired', answerProof, repeated };
  }

  /** Closes a ticket, redeemed or not. False when it was not open. */
  cancel(id: Uint8Array): boolean {
    this.#expire();
    const key = keyOf(id);
    if (!this.#open.has(key)) return false;
    this.#close(key);
    return true;
  }

  /** Closes the tickets that this device redeemed. Call it when a device is unpaired, or it could redeem again at once. */
  cancelRedeemedBy(deviceId: DeviceId): void {
    for (const [key, ticket] of this.#open) {
      if (ticket.redeemedBy === deviceId) this.#close(key);
    }
  }

  /** Who redeemed a ticket; undefined while nobody did, and once it is not open any more. */
  redeemedBy(id: Uint8Array): DeviceId | undefined {
    this.#expire();
    return this.#open.get(keyOf(id))?.redeemedBy;
  }

  /** Whether pairing connections are to be accepted: also after a ticket was redeemed, until it expires. */
  isOpen(): boolean {
    this.#expire();
    return this.#open.size > 0;
  }

  /** When the next open ticket expires, on the monotonic clock; undefined when none is open. */
  nextExpiryMs(): number | undefined {
    this.#expire();
    const times = [...this.#open.values()].map((ticket) => ticket.expiresAtMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The latest wrong attempts, oldest first, at most 32. */
  get wrongAttempts(): readonly WrongAttempt[] {
    return this.#wrongAttempts;
  }

  /** All attempts refused as wrong or rate-limited since the book was opened. */
  get refusedAttemptCount(): number {
    return this.#refusedAttemptCount;
  }

  #expire(): void {
    const nowMs = this.#now();
    for (const [key, ticket] of this.#open) {
      if (ticket.expiresAtMs <= nowMs) this.#close(key);
    }
  }

  #close(key: string): void {
    this.#open.delete(key);
    this.#closed.add(key);
    dropOldest(this.#closed, maxRememberedClosed);
  }

  #isRateLimited(fromAddress: string): boolean {
    return this.#recentWrongTimes(fromAddress).length >= this.#options.maxWrongProofs;
  }

  #recentWrongTimes(fromAddress: string): number[] {
    const sinceMs = this.#now() - this.#options.wrongProofWindowMs;
    return (this.#wrongTimesMs.get(fromAddress) ?? []).filter((atMs) => atMs > sinceMs);
  }

  #refuseWrong(request: RedeemRequest, reason: WrongAttempt['reason']): RedeemOutcome {
    const { fromAddress, accepterId } = request;
    const atMs = this.#now();
    const times = [...this.#recentWrongTimes(fromAddress), atMs];
    // Put last again, so that the address not heard of for longest is the one forgotten.
    this.#wrongTimesMs.delete(fromAddress);
    this.#wrongTimesMs.set(fromAddress, times);
    dropOldest(this.#wrongTimesMs, maxWatchedAddresses);
    this.#wrongAttempts = [...this.#wrongAttempts, { atMs, fromAddress, accepterId, reason }].slice(
      -maxShownAttempts,
    );
    this.#refusedAttemptCount += 1;
    return { outcome: 'refused', reason };
  }
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id).toString('hex');
}

function dropOldest(keyed: Map<string, unknown> | Set<string>, limit: number): void {
  for (const key of keyed.keys()) {
    if (keyed.size <= limit) return;
    keyed.delete(key);
  }
}
