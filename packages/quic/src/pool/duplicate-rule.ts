/** One connection with a device, as far as the choice among several is concerned. */
export interface PrimaryCandidate {
  /** This device dialled it, and not the peer. */
  readonly dialledByUs: boolean;
  /** The peer's; undefined while the handshake is under way. */
  readonly bootId: string | undefined;
  /**
   * Ascends with every connection that is opened here, whoever dialled it. Left out: the candidate is the newer one, which
   * holds as long as a dialler has given up a connection before it dials again.
   */
  readonly opened?: number;
}

/**
 * `replace`: the candidate becomes (or is) the primary, the current one is closed with 5. `keep-current`: the other way
 * round. `hold`: neither may send a request yet; ask again when the one in its handshake is through, or gone.
 */
export type PrimaryDecision = 'keep-current' | 'replace' | 'hold';

/**
 * Which of two connections between the same two devices stays. IDs are the canonical texts, compared by code unit.
 *
 * 1. Both sides come to the same answer, in whatever order either learns of the connections: among those of one run of
 *    both programs, the ones dialled by the smaller ID go first, then the one opened last.
 * 2. Another boot ID means that the other program is gone, and with it all that it held: the candidate stays.
 * 3. A connection in its handshake replaces nothing. One that would win holds its rival, until the handshake's deadline.
 */
export function decidePrimary(
  current: PrimaryCandidate | undefined,
  candidate: PrimaryCandidate,
  ownId: string,
  peerId: string,
): PrimaryDecision {
  if (candidate.bootId === undefined) return 'hold';
  if (current === undefined) return 'replace';
  const candidateWins = winsOver(candidate, current, ownId, peerId);
  if (current.bootId === undefined) return candidateWins ? 'replace' : 'hold';
  if (current.bootId !== candidate.bootId) return 'replace';
  return candidateWins ? 'replace' : 'keep-current';
}

function winsOver(a: PrimaryCandidate, b: PrimaryCandidate, ownId: string, peerId: string): boolean {
  if (a.dialledByUs === b.dialledByUs) {
    return a.opened === undefined || b.opened === undefined || a.opened > b.opened;
  }
  const ownIsSmaller = ownId < peerId;
  return a.dialledByUs === ownIsSmaller;
}
