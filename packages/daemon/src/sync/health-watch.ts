import { ConnectionHealth, type ConnectionHealthOptions } from '@landropic/quic';
import type { Clock } from '../core/ports/clock.js';

export interface HealthWatchDependencies {
  readonly clock: Clock;
  /** One round trip. Rejects when no answer came in that time. */
  readonly ping: (timeoutMs: number) => Promise<unknown>;
  /** The program at the other end hangs, though its transport answers. Called once. */
  readonly onDead: () => void;
}

/** An answer that comes later than it should still shows that somebody is there. */
const ANSWER_MS = 30_000;

/** Pings one session for as long as it is the primary one. */
export class HealthWatch {
  private readonly health: ConnectionHealth;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly deps: HealthWatchDependencies,
    options: ConnectionHealthOptions = {},
  ) {
    this.health = new ConnectionHealth(deps.clock.monotonicMs(), options);
    this.arm();
  }

  stop(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
  }

  private arm(): void {
    const { nextTickMs } = this.health;
    if (nextTickMs === undefined) return;
    const { clock } = this.deps;
    this.cancelTimer = clock.after(Math.max(0, nextTickMs - clock.monotonicMs()), () => this.tick());
  }

  private tick(): void {
    const action = this.health.tick(this.deps.clock.monotonicMs());
    if (action?.do === 'replace') {
      this.deps.onDead();
      return;
    }
    if (action?.do === 'ping') this.ping(action.nonce);
    this.arm();
  }

  private ping(nonce: number): void {
    this.deps.ping(ANSWER_MS).then(
      () => this.health.answered(nonce),
      () => {},
    );
  }
}
