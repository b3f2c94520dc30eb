/** The machine's monotonic clock in ms, the same in every process: `performance.now()` counts from each one's own start. */
export function nowMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}
