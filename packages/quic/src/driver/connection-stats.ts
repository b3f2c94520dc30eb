import type { ConnectionStats } from '../transport.js';
import type { QuicheConnection } from './quiche-binding.js';

type QuicheFigures = Pick<
  ConnectionStats,
  | 'bytesIn'
  | 'bytesOut'
  | 'packetsIn'
  | 'packetsOut'
  | 'packetsLost'
  | 'bytesLost'
  | 'bytesRetransmitted'
  | 'rttMs'
  | 'congestionWindowBytes'
  | 'deliveryRateBytesPerSecond'
>;

export function readConnectionStats(
  quiche: QuicheConnection,
  own: Omit<ConnectionStats, keyof QuicheFigures>,
): ConnectionStats {
  const all = quiche.stats();
  const paths = quiche.pathStats();
  const path = paths.find((candidate) => candidate.active) ?? paths[0];
  return {
    bytesIn: all.recvBytes,
    bytesOut: all.sentBytes,
    packetsIn: all.recv,
    packetsOut: all.sent,
    packetsLost: all.lost,
    bytesLost: all.lostBytes,
    bytesRetransmitted: all.streamRetransBytes,
    rttMs: path?.rtt ?? 0,
    congestionWindowBytes: path?.cwnd ?? 0,
    deliveryRateBytesPerSecond: path?.deliveryRate ?? 0,
    ...own,
  };
}
