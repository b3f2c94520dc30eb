import { TokenBucket } from '../../token-bucket.js';
import type { RejectionReason } from '../../transport-stats.js';
import type { AdmissionLimits } from '../options.js';
import { AddressBuckets } from './address-buckets.js';

/** Where an attempt comes from, and whether a Retry token showed that this address receives what is sent to it. */
export interface AttemptOrigin {
  readonly host: string;
  readonly isValidated: boolean;
}

export type Admission =
  | { readonly decision: 'admit' }
  /** Answered without a memory of it. */
  | { readonly decision: 'retry' }
  /** Met with silence. */
  | { readonly decision: 'ignore'; readonly reason: RejectionReason };

interface AddressCount {
  /** Half-open. */
  unvalidated: number;
  /** Half-open. */
  validated: number;
  total: number;
}

const ADMIT: Admission = { decision: 'admit' };
const RETRY: Admission = { decision: 'retry' };

/**
 * Counts incoming connections by state and address, and decides about the next one (pure: time in ms, monotonic).
 *
 * Whoever may have forged an address is at worst asked for a Retry, and takes from budgets of their own: a stranger who
 * sends in somebody's name cannot use up what that one is allowed. Nothing is stored for an attempt that is not admitted.
 */
export class AdmissionControl {
  #halfOpen = 0;
  #total = 0;
  readonly #byHost = new Map<string, AddressCount>();
  readonly #rates: Record<'validated' | 'unvalidated', Rates>;

  constructor(
    private readonly limits: AdmissionLimits,
    now: number,
  ) {
    this.#rates = { validated: new Rates(limits, now), unvalidated: new Rates(limits, now) };
  }

  get halfOpen(): number {
    return this.#halfOpen;
  }

  /** How many addresses anything is remembered of; bounded by connections, and by a constant for rates. */
  get rememberedAddresses(): number {
    return this.#byHost.size + this.#rates.validated.size + this.#rates.unvalidated.size;
  }

  decide({ host, isValidated }: AttemptOrigin, now: number): Admission {
    const { limits } = this;
    if (this.#total >= limits.maxConnections) return ignore('too-many-connections');
    if (this.#halfOpen >= limits.maxHalfOpen) return ignore('too-many-half-open');
    const count = this.#byHost.get(host);
    if ((count?.total ?? 0) >= limits.maxConnectionsPerAddress) {
      return ignore('too-many-connections-from-address');
    }
    if (!isValidated) {
      const isCrowded =
        this.#halfOpen >= limits.retryAboveHalfOpen ||
        (count?.unvalidated ?? 0) >= limits.maxHalfOpenPerAddress;
      return isCrowded || !this.#rates.unvalidated.tryTake(host, now) ? RETRY : ADMIT;
    }
    if ((count?.validated ?? 0) >= limits.maxHalfOpenPerAddress) {
      return ignore('too-many-half-open-from-address');
    }
    return this.#rates.validated.tryTake(host, now) ? ADMIT : ignore('too-many-attempts');
  }

  handleStarted({ host, isValidated }: AttemptOrigin): void {
    this.#halfOpen += 1;
    this.#total += 1;
    const count = this.#byHost.get(host) ?? { unvalidated: 0, validated: 0, total: 0 };
    this.#byHost.set(host, count);
    count.total += 1;
    if (isValidated) count.validated += 1;
    else count.unvalidated += 1;
  }

  /** The connection is no longer half-open: its peer was verified, or it has ended. */
  handleSettled({ host, isValidated }: AttemptOrigin): void {
    this.#halfOpen -= 1;
    const count = this.#byHost.get(host);
    if (count === undefined) return;
    if (isValidated) count.validated -= 1;
    else count.unvalidated -= 1;
  }

  handleEnded({ host }: AttemptOrigin): void {
    this.#total -= 1;
    const count = this.#byHost.get(host);
    if (count === undefined) return;
    count.total -= 1;
    if (count.total <= 0) this.#byHost.delete(host);
  }
}

/** New connections a second: in all, and from one address. */
class Rates {
  readonly #all: TokenBucket;
  readonly #byAddress: AddressBuckets;

  constructor(limits: AdmissionLimits, now: number) {
    this.#all = new TokenBucket(
      { capacity: limits.newConnectionsBurst, refillPerSecond: limits.newConnectionsPerSecond },
      now,
    );
    this.#byAddress = new AddressBuckets({
      capacity: limits.newConnectionsPerAddressBurst,
      refillPerSecond: limits.newConnectionsPerAddressPerSecond,
    });
  }

  get size(): number {
    return this.#byAddress.size;
  }

  tryTake(host: string, now: number): boolean {
    // The common bucket last: what one address may not have must not be taken from the others.
    if (!this.#byAddress.mayTake(host, now) || !this.#all.tryTake(1, now)) return false;
    this.#byAddress.take(host, now);
    return true;
  }
}

function ignore(reason: RejectionReason): Admission {
  return { decision: 'ignore', reason };
}
