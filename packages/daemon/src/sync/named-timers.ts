import type { Clock } from '../core/ports/clock.js';

/** Timers by name, each armed once at a time; none fires after {@link NamedTimers.stop}. */
export class NamedTimers {
  private readonly armed = new Map<string, () => void>();
  private stopped = false;

  constructor(private readonly clock: Clock) {}

  /** Calls back once after `delayMs`; does nothing while a timer of that name is armed. */
  once(name: string, delayMs: number, callback: () => void): void {
    if (this.armed.has(name) || this.stopped) return;
    const cancel = this.clock.after(delayMs, () => {
      this.armed.delete(name);
      callback();
    });
    this.armed.set(name, cancel);
  }

  /** Calls back again and again; the delay is asked for anew each time. */
  repeat(name: string, delayMs: () => number, callback: () => void): void {
    this.once(name, delayMs(), () => {
      callback();
      this.repeat(name, delayMs, callback);
    });
  }

  stop(): void {
    this.stopped = true;
    for (const cancel of this.armed.values()) cancel();
    this.armed.clear();
  }
}
