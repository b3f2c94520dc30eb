import { InvalidArgumentError } from 'commander';
import { parseDurationMs } from './duration.js';

const MOMENT = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * A time of the past: `2026-01-31 14:25:30` in local time, the same in ISO 8601 with a zone, or how long ago it was, such
 * as `2h`. Throws what commander reports as wrong usage.
 */
export function parseMoment(text: string, nowMs: number = Date.now()): Date {
  if (/^\d+(\.\d+)?(ms|s|m|h)$/.test(text)) return new Date(nowMs - parseDurationMs(text));
  const [whole, day, time = '00:00', zone = ''] = MOMENT.exec(text) ?? [];
  const moment = new Date(whole === undefined ? Number.NaN : `${day}T${time}${zone}`);
  if (Number.isNaN(moment.getTime()))
    throw new InvalidArgumentError(
      "Times are written like '2026-01-31 14:25:30', or '2h' for two hours ago.",
    );
  return moment;
}

/** In local time, to the second: `2026-01-31 14:25:30`. */
export function formatMoment(iso: string): string {
  const moment = new Date(iso);
  const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', ' ');
}
