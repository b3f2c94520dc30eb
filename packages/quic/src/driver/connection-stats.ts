import type { ConnectionStats } from '../transport.js';
import type { QuicheConnection } from './quiche-binding.js';

export function readConnectionStats(
  quiche: QuicheConnection,
  own: Pick<ConnectionStats, 'packetSizeBytes' | 'streamsOpen' | 'streamsAborted'>,
): ConnectionStats {
  const all = quiche.stats();
  const path = quiche.pathStats().find((candidate) => candidate.active) ?? quiche.pathStats()[0];
  return {
    bytesIn: all.recvBytes,
    bytesOut: all.sentBytes,
    packetsIn: all.recv,
    packetsOut: all.sent,
    packetsLost: all.lost,
    rttMs: path?.rtt ?? 0,
    congestionWindowBytes: path?.cwnd ?? 0,
    deliveryRateBytesPerSecond: path?.deliveryRate ?? 0,
    ...own,
  };
}
