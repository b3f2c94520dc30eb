import type { Clock } from '../core/ports/clock.js';
import { type OverloadOptions, OverloadPolicy } from '../core/session/overload-policy.js';
import type { Throttle } from '../core/session/throttle-pace.js';

export interface OverloadWatchDependencies {
  readonly clock: Clock;
  /** Entries of this session that were received and are not durable here. */
  readonly pending: () => number;
  readonly send: (throttle: Throttle) => void;
}

/** While the peer was asked to slow down, how often is looked whether it still has to. */
const CHECK_MS = 1_000;

/** Asks one peer to slow its index push down while more of it waits here than is bearable. */
export class OverloadWatch {
  private readonly policy: OverloadPolicy;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly deps: OverloadWatchDependencies,
    options?: OverloadOptions,
  ) {
    this.policy = new OverloadPolicy(options);
  }

  received(entries: number): void {
    this.policy.countReceived(entries);
    this.check();
  }

  stop(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
  }

  private check(): void {
    const throttle = this.policy.decide(this.deps.pending(), this.deps.clock.monotonicMs());
    if (throttle !== undefined) this.deps.send(throttle);
    if (this.policy.nextCheckMs === undefined || this.cancelTimer !== undefined) return;
    this.cancelTimer = this.deps.clock.after(CHECK_MS, () => {
      this.cancelTimer = undefined;
      this.check();
    });
  }
}
