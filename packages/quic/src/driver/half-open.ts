import type { AdmissionLimits } from './options.js';

export type Admission = 'admit' | 'retry' | 'ignore';

/** Counts incoming connections by state and address, and decides about the next one (pure). */
export class HalfOpenCounter {
  #halfOpen = 0;
  #total = 0;
  readonly #byHost = new Map<string, number>();

  constructor(private readonly limits: AdmissionLimits) {}

  get halfOpen(): number {
    return this.#halfOpen;
  }

  /** `isValidated`: the address has shown by a Retry token that it receives what is sent to it. */
  decide(host: string, isValidated: boolean): Admission {
    if (this.#total >= this.limits.maxConnections || this.#halfOpen >= this.limits.maxHalfOpen)
      return 'ignore';
    if ((this.#byHost.get(host) ?? 0) >= this.limits.maxHalfOpenPerAddress) return 'ignore';
    if (!isValidated && this.#halfOpen >= this.limits.retryAboveHalfOpen) return 'retry';
    return 'admit';
  }

  handleStarted(host: string): void {
    this.#halfOpen += 1;
    this.#total += 1;
    this.#byHost.set(host, (this.#byHost.get(host) ?? 0) + 1);
  }

  /** The connection is no longer half-open: its peer was verified, or it has ended. */
  handleSettled(host: string): void {
    this.#halfOpen -= 1;
    const left = (this.#byHost.get(host) ?? 0) - 1;
    if (left > 0) this.#byHost.set(host, left);
    else this.#byHost.delete(host);
  }

  handleEnded(): void {
    this.#total -= 1;
  }
}
