import { InvalidArgumentError } from 'commander';

const MILLISECONDS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** Longest delay that a timer of Node can wait. */
const MAX_DURATION_MS = 2 ** 31 - 1;

/** `500ms`, `30s`, `10m`, `2h` → milliseconds. Throws what commander reports as wrong usage. */
export function parseDurationMs(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : MILLISECONDS_PER_UNIT[unit];
  if (factor === undefined)
    throw new InvalidArgumentError("Durations are written like '500ms', '30s', '10m', '2h'.");
  const durationMs = Math.round(Number(amount) * factor);
  if (durationMs < 1) throw new InvalidArgumentError('It must be longer than nothing.');
  if (durationMs > MAX_DURATION_MS) throw new InvalidArgumentError('It must not be longer than 596h.');
  return durationMs;
}
