import type { Clock } from '../core/ports/clock.js';

/** Calls back later, any number of times; none comes after {@link Delays.stop}. */
export class Delays {
  private readonly cancels = new Set<() => void>();

  constructor(private readonly clock: Clock) {}

  after(delayMs: number, callback: () => void): void {
    const cancel = this.clock.after(delayMs, () => {
      this.cancels.delete(cancel);
      callback();
    });
    this.cancels.add(cancel);
  }

  stop(): void {
    for (const cancel of this.cancels) cancel();
    this.cancels.clear();
  }
}
