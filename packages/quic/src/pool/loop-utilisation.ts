import { performance } from 'node:perf_hooks';

/** Each call of what it returns gives the share of time, 0 to 1, that this thread's event loop was busy since the call before. */
export function createLoopUtilisation(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}
