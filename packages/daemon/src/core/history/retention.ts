import type { HistoryItem } from '../ports/content-index.js';

/** How much of what was replaced or deleted is kept. */
export interface RetentionPolicy {
  readonly keepDays: number;
  /** Of all history of the folder together. */
  readonly maxBytes: number;
}

type Aged = Pick<HistoryItem, 'displacedAtMs'>;
type Sized = Pick<HistoryItem, 'sizeBytes' | 'area'>;

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** Younger ones stay, whatever the policy: an editor may still write into them, and their intent may be open. */
export const MIN_AGE_MS = 60_000;

/**
 * What has to go of the history of one path, given newest first: of the last day all stays, of the week before one a day,
 * of the time before one a week, and nothing that is older than the policy says. Days and weeks are those of the
 * calendar in UTC, so that looking more often makes no difference.
 */
export function findExpired<Item extends Aged>(
  items: readonly Item[],
  nowMs: number,
  { keepDays }: Pick<RetentionPolicy, 'keepDays'>,
): readonly Item[] {
  const taken = new Set<string>();
  return items.filter(({ displacedAtMs }) => {
    const ageMs = nowMs - displacedAtMs;
    if (ageMs < MIN_AGE_MS) return false;
    if (ageMs >= keepDays * DAY_MS) return true;
    if (ageMs < DAY_MS) return false;
    const span =
      ageMs < WEEK_MS
        ? `day ${Math.floor(displacedAtMs / DAY_MS)}`
        : `week ${Math.floor(displacedAtMs / WEEK_MS)}`;
    if (taken.has(span)) return true;
    taken.add(span);
    return false;
  });
}

/** Which of these, given oldest first, go so that this many bytes less are kept. */
export function findSurplus<Item extends Sized & Aged>(
  oldest: readonly Item[],
  excessBytes: number,
  nowMs: number,
): readonly Item[] {
  const surplus: Item[] = [];
  let left = excessBytes;
  for (const item of oldest) {
    if (left <= 0 || nowMs - item.displacedAtMs < MIN_AGE_MS) break;
    surplus.push(item);
    left -= item.sizeBytes;
  }
  return surplus;
}

/** Bytes that history may take on a disk. */
export function historyBudget(disk: { readonly totalBytes: number }, maxPercent: number): number {
  return Math.floor((disk.totalBytes * maxPercent) / 100);
}

/**
 * The version that stood at a path at a time, of its history given newest first: the first that was displaced then or
 * after. Without a time, the last. Undefined where what stood there then is what stands there now, or nothing.
 */
export function versionAt<Item extends Aged>(
  items: readonly Item[],
  atMs: number | undefined,
): Item | undefined {
  if (atMs === undefined) return items[0];
  return items.findLast(({ displacedAtMs }) => displacedAtMs >= atMs);
}
