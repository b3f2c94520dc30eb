/** Counters of one connection at one time, and the round trip then. */
export interface PathReading {
  readonly packetsOut: number;
  readonly packetsLost: number;
  readonly rttMs: number;
}

export interface PathQuality {
  /** Of the packets sent between two readings, the share that was lost: 0 to 1. */
  readonly lossShare: number;
  readonly isPoor: boolean;
}

/** Fewer packets say nothing of loss. */
const MIN_PACKETS = 50;
const POOR_LOSS_SHARE = 0.2;
const POOR_RTT_MS = 1_000;
const POOR_RTT_FACTOR = 8;

/** Judges one connection between two health checks. A poor one is used only where there is no better. */
export function judgePath(before: PathReading, now: PathReading, baseRttMs: number): PathQuality {
  const sent = Math.max(0, now.packetsOut - before.packetsOut);
  const lost = Math.max(0, now.packetsLost - before.packetsLost);
  const lossShare = sent < MIN_PACKETS ? 0 : Math.min(1, lost / sent);
  const isSlow = now.rttMs > Math.max(POOR_RTT_MS, baseRttMs * POOR_RTT_FACTOR);
  return { lossShare, isPoor: isSlow || lossShare > POOR_LOSS_SHARE };
}
