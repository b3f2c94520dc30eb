import type { IncarnationId } from './identifiers.js';

/**
 * A hybrid logical clock's reading: the total order of versions of one path. Found versions (there before the index
 * was) rank below every authored one.
 */
export interface Stamp {
  readonly found: boolean;
  /** Wall clock of the author, ms since 1970; for a found version the file's mtime. */
  readonly physicalMs: number;
  readonly counter: number;
  readonly incarnation: IncarnationId;
}

/** Negative, zero or positive, as for `Array.prototype.sort`. Equal stamps fall back to the content hash, elsewhere. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.found !== b.found) return a.found ? -1 : 1;
  if (a.physicalMs !== b.physicalMs) return a.physicalMs - b.physicalMs;
  if (a.counter !== b.counter) return a.counter - b.counter;
  if (a.incarnation === b.incarnation) return 0;
  return a.incarnation < b.incarnation ? -1 : 1;
}

/** A stamp of now that is larger than every one of `known`. */
export function nextStamp(
  nowMs: number,
  incarnation: IncarnationId,
  known: readonly (Stamp | undefined)[],
): Stamp {
  let physicalMs = nowMs;
  let counter = 0;
  for (const stamp of known) {
    if (stamp === undefined || stamp.found) continue;
    if (stamp.physicalMs > physicalMs) {
      physicalMs = stamp.physicalMs;
      counter = stamp.counter + 1;
    } else if (stamp.physicalMs === physicalMs) {
      counter = Math.max(counter, stamp.counter + 1);
    }
  }
  return { found: false, physicalMs, counter, incarnation };
}
