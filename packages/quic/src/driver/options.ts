import type { SocketAddress, TlsCredentials, VerifyPeer } from '../transport.js';
import type { TransportProfile } from '../transport-profile.js';
import type { DatagramIoChoice } from '../udp/open-datagram-io.js';

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
  /** Default the profile `fileSync`. */
  readonly profile?: TransportProfile;
  readonly admission?: Partial<AdmissionLimits>;
  /** No packet (UDP payload) is larger; 1,200–16,383. Default: what the interface towards the peer carries. */
  readonly maxPacketBytes?: number;
  /** Asked of the kernel for the socket, which may grant less. Default 8 MiB each. */
  readonly socketBufferBytes?: number;
  /** What carries the packets. Default `auto`. */
  readonly datagramIo?: DatagramIoChoice;
}
