import type { AuthenticateStream, SocketAddress, TlsCredentials, VerifyPeer } from '../transport.js';
import type { TransportProfile } from '../transport-profile.js';
import type { DatagramIoChoice } from '../udp/open-datagram-io.js';
import type { ResumptionPolicy } from './admission/early-data.js';
import type { IdentificationPolicy } from './streams/identification-watch.js';

/** What strangers may cost us before their certificate was accepted. */
export interface AdmissionLimits {
  /** Incoming connections whose handshake is under way, in total; beyond it, silence. */
  readonly maxHalfOpen: number;
  /** Beyond it an address must prove itself by Retry, and one that did meets silence. */
  readonly maxHalfOpenPerAddress: number;
  /** Half-open connections above which an address must prove itself by Retry first. */
  readonly retryAboveHalfOpen: number;
  /**
   * Answers a second to strangers of whom nothing is kept, on average and at once: Retry and version negotiation, each.
   * Beyond it, silence; whoever means it repeats the first packet.
   */
  readonly answersPerSecond: number;
  readonly answersBurst: number;
  /** Incoming connections in total, half-open ones included. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /**
   * New connections a second on average, and at once. Beyond it an address must prove itself by Retry; those that did have
   * as much again to themselves, and beyond that meet silence.
   */
  readonly newConnectionsPerSecond: number;
  readonly newConnectionsBurst: number;
  /** The same for each address alone. */
  readonly newConnectionsPerAddressPerSecond: number;
  readonly newConnectionsPerAddressBurst: number;
  /** Received before verification, per connection; what goes beyond is dropped. */
  readonly maxUnverifiedDatagrams: number;
  readonly maxUnverifiedBytes: number;
  readonly handshakeTimeoutMs: number;
}

export const DEFAULT_ADMISSION: AdmissionLimits = {
  maxHalfOpen: 256,
  maxHalfOpenPerAddress: 32,
  retryAboveHalfOpen: 64,
  answersPerSecond: 2_000,
  answersBurst: 1_000,
  maxConnections: 16_384,
  maxConnectionsPerAddress: 1_024,
  newConnectionsPerSecond: 500,
  newConnectionsBurst: 1_000,
  newConnectionsPerAddressPerSecond: 100,
  newConnectionsPerAddressBurst: 500,
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
  /** Lets peers come back without a proof of their key, for as long as a ticket is good. Default: nobody. */
  readonly resumption?: ResumptionPolicy;
  /** Looks at the first byte of every stream that a peer opens, before the application sees it. Default: lets all pass. */
  readonly authenticateStream?: AuthenticateStream;
  /** Streams must say what they are. Default: the application waits for their first byte as long as it likes. */
  readonly identification?: IdentificationPolicy;
  /** No packet (UDP payload) is larger; 1,200–16,383. Default: what the interface towards the peer carries. */
  readonly maxPacketBytes?: number;
  /** Asked of the kernel for the socket, which may grant less. Default 8 MiB each. */
  readonly socketBufferBytes?: number;
  /** What carries the packets. Default `auto`. */
  readonly datagramIo?: DatagramIoChoice;
}
