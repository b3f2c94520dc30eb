import { performance } from 'node:perf_hooks';
import type { PoolClock } from './pool/address-race.js';

const MAX_TIMER_MS = 0x7fff_ffff;

/** The machine's own time. Timers may fire a fraction of a millisecond early; what is called back here never is. */
export const systemClock: PoolClock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const dueMs = performance.now() + delayMs;
    let timer: NodeJS.Timeout | undefined;
    const arm = (leftMs: number): void => {
      timer = setTimeout(look, Math.min(Math.ceil(leftMs), MAX_TIMER_MS));
    };
    const look = (): void => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) arm(leftMs);
      else callback();
    };
    arm(Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};
