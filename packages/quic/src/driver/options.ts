import type { SocketAddress, TlsCredentials, VerifyPeer } from '../transport.js';

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

/** What strangers may cost us before their certificate was accepted. */
export interface AdmissionLimits {
  /** Incoming connections whose handshake is under way, in total; beyond it, silence. */
  readonly maxHalfOpen: number;
  readonly maxHalfOpenPerAddress: number;
  /** Half-open connections above which an address must prove itself by Retry first. */
  readonly retryAboveHalfOpen: number;
  /** Incoming connections in total, half-open ones included. */
  readonly maxConnections: number;
  /** Received before verification, per connection; what goes beyond is dropped. */
  readonly maxUnverifiedDatagrams: number;
  readonly maxUnverifiedBytes: number;
  readonly handshakeTimeoutMs: number;
}

export const DEFAULT_ADMISSION: AdmissionLimits = {
  maxHalfOpen: 256,
  maxHalfOpenPerAddress: 32,
  retryAboveHalfOpen: 64,
  maxConnections: 16_384,
  maxUnverifiedDatagrams: 32,
  maxUnverifiedBytes: 64 * 1024,
  handshakeTimeoutMs: 10_000,
};

export interface QuicEndpointOptions {
  /** Port 0 takes any. `::` takes IPv4 as well. */
  readonly listen: SocketAddress;
  readonly credentials: TlsCredentials;
  /** Judges whoever connects to us. A dialler brings its own judge in `DialOptions`. */
  readonly verifyPeer: VerifyPeer;
  /** Default {@link fileSync}. */
  readonly profile?: TransportProfile;
  readonly admission?: Partial<AdmissionLimits>;
  /** No packet (UDP payload) is larger; 1,200–16,383. Default: what the interface towards the peer carries. */
  readonly maxPacketBytes?: number;
  /** Asked of the kernel for the socket, which may grant less. Default 8 MiB each. */
  readonly socketBufferBytes?: number;
}
