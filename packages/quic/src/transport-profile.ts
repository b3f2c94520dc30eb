/**
 * What a connection is tuned for. The windows are upper bounds: quiche starts at `initial…` and doubles while the
 * application keeps up. What a peer can make us hold is bounded by the connection window.
 */
export interface TransportProfile {
  /** Bidirectional streams that the peer may have open at once. */
  readonly maxBidiStreams: number;
  readonly maxUniStreams: number;
  readonly initialStreamWindowBytes: number;
  readonly maxStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  readonly maxConnectionWindowBytes: number;
  readonly idleTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly congestionControl: 'bbr' | 'cubic' | 'reno';
  /** Bytes queued on one stream above which `write` waits. */
  readonly sendHighWaterBytes: number;
  /**
   * Packets sent under one key at most; then the connection is given up, for a fresh one to replace it. Default 2²³, the
   * limit of AES-GCM (RFC 9001, 6.6): the binding cannot change keys.
   */
  readonly maxPacketsPerKey?: number;
}

/** Few peers, a fast local network, many files at once: the default. */
export const fileSync: TransportProfile = {
  maxBidiStreams: 1_024,
  maxUniStreams: 64,
  initialStreamWindowBytes: 1024 * 1024,
  maxStreamWindowBytes: 16 * 1024 * 1024,
  initialConnectionWindowBytes: 16 * 1024 * 1024,
  maxConnectionWindowBytes: 64 * 1024 * 1024,
  idleTimeoutMs: 30_000,
  keepAliveMs: 10_000,
  congestionControl: 'bbr',
  sendHighWaterBytes: 1024 * 1024,
};
