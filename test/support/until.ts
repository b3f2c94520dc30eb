import { setTimeout as delay } from 'node:timers/promises';

export interface UntilOptions {
  /** Shown when the time is up. */
  readonly what: string;
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/**
 * Looks again and again until the look gives something other than undefined or false; fails when the time is up, with
 * the last error the look ended in.
 */
export async function until<T>(
  look: () => T | Promise<T>,
  { what, timeoutMs = 20_000, intervalMs = 50 }: UntilOptions,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= deadline) {
      const reason = lastError instanceof Error ? `: ${lastError.message}` : '';
      throw new Error(`Not within ${timeoutMs} ms: ${what}${reason}`, { cause: lastError });
    }
    await delay(intervalMs);
  }
}
