import { performance } from 'node:perf_hooks';
import type { Clock } from '../core/ports/clock.js';

/** The real time. Timers do not keep the process alive: the daemon's sockets do. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    if (delayMs <= 0) {
      const immediate = setImmediate(callback);
      return () => clearImmediate(immediate);
    }
    // The system's timers count whole milliseconds and may be early by one; a deadline that is looked at then has not come.
    const dueMs = performance.now() + delayMs;
    let timer = setTimeout(function fire() {
      const earlyMs = dueMs - performance.now();
      if (earlyMs <= 0) callback();
      else timer = setTimeout(fire, earlyMs);
    }, delayMs);
    return () => clearTimeout(timer);
  },
};
