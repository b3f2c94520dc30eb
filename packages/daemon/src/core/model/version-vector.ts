import type { IncarnationId } from './identifiers.js';

/** How much of each incarnation's history a version has seen. Absent means 0. Never changed in place. */
export type VersionVector = ReadonlyMap<IncarnationId, number>;

export type Ordering = 'equal' | 'after' | 'before' | 'concurrent';

export const EMPTY_VECTOR: VersionVector = new Map();

/** True when `a` has seen everything that `b` has (equal vectors included). */
export function hasSeen(a: VersionVector, b: VersionVector): boolean {
  for (const [incarnation, counter] of b) {
    if ((a.get(incarnation) ?? 0) < counter) return false;
  }
  return true;
}

export function compareVectors(a: VersionVector, b: VersionVector): Ordering {
  const aSawB = hasSeen(a, b);
  const bSawA = hasSeen(b, a);
  if (aSawB && bSawA) return 'equal';
  if (aSawB) return 'after';
  return bSawA ? 'before' : 'concurrent';
}

export function joinVectors(a: VersionVector, b: VersionVector): VersionVector {
  const joined = new Map(a);
  for (const [incarnation, counter] of b) {
    if ((joined.get(incarnation) ?? 0) < counter) joined.set(incarnation, counter);
  }
  return joined;
}

/** The vector of a change made by `incarnation` at its sequence number `counter`, on top of `seen`. */
export function extendVector(
  seen: VersionVector,
  incarnation: IncarnationId,
  counter: number,
): VersionVector {
  return new Map(seen).set(incarnation, counter);
}
