/**
 * The ports of the transport: what a program may ask of QUIC without knowing which QUIC it is.
 *
 * Two implementations stand behind them, and one contract suite runs on both: `driver/` (quiche over UDP) and
 * `memory/` (the same in memory, under a virtual clock). Nothing here knows of files, devices or folders.
 *
 * Rules that hold for every method:
 * - nothing blocks; whatever waits takes an `AbortSignal` or ends with the connection it belongs to;
 * - failures are {@link TransportError}s with a `code`;
 * - no byte of a stream is handed up before the peer's certificate was accepted by the `verifyPeer` function.
 */

import type { SessionCache } from './session-cache.js';
import type { ConnectionStats, EndpointStats, StreamStats } from './transport-stats.js';

export type {
  ConnectionStats,
  DatagramStats,
  EndpointStats,
  RejectionReason,
  StreamStats,
} from './transport-stats.js';

/** `host` is an IP literal (with a zone for link-local IPv6); `port` is 1–65535, or 0 for "any" when listening. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * What the application made of a peer's certificate. The transport carries it along and never looks inside;
 * `key` alone is used, to count connections per peer.
 */
export interface PeerIdentity {
  readonly key: string;
}

/**
 * Judges the peer's certificate chain (DER, leaf first), given the protocol (ALPN) both sides agreed on.
 * Runs once for every connection, resumed or not, before any stream byte is handed up.
 */
export type VerifyPeer = (chain: readonly Uint8Array[], alpn: string) => PeerVerdict;

export type PeerVerdict =
  | { readonly accepted: true; readonly identity: PeerIdentity }
  | { readonly accepted: false; readonly closeCode: number; readonly reason: string };

/**
 * Judges a stream that the peer opened, by its first byte (undefined when it ended without one), before the application
 * sees it. The byte is read again by the application.
 */
export type AuthenticateStream = (connection: Connection, stream: StreamCandidate) => StreamVerdict;

export interface StreamCandidate {
  readonly id: number;
  readonly kind: 'bidi' | 'uni';
  readonly firstByte: number | undefined;
}

export type StreamVerdict =
  | { readonly accepted: true }
  /** Stops the stream, and resets the way back. */
  | { readonly accepted: false; readonly streamCode: number }
  /** Closes the connection. */
  | { readonly accepted: false; readonly closeCode: number; readonly reason: string };

/** Private key and self-signed certificate of this side, both PEM. */
export interface TlsCredentials {
  readonly keyPem: string;
  readonly certificatePem: string;
}

/** 0 goes out first, 7 last; streams of the same urgency share the link. `Priority` has names for the usual levels. */
export type Urgency = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

export interface DialOptions {
  /** Exactly one protocol: what the dialler prefers wins, so it must not offer a second. */
  readonly alpn: string;
  readonly verifyPeer: VerifyPeer;
  /** Ends the attempt. A connection that is already there is closed by {@link Connection.close}. */
  readonly signal?: AbortSignal;
  /** How long the handshake may take, in ms. Default 10,000. */
  readonly handshakeTimeoutMs?: number;
  /** Takes a session with this peer from the cache, if there is one, and puts the new one there. Default: neither. */
  readonly resumption?: {
    readonly sessions: SessionCache;
    /** `PeerIdentity.key` of the peer that is dialled. */
    readonly peerKey: string;
  };
  /**
   * How the first unidirectional stream begins: {@link Connection.earlyStream}. With a session it goes out with the very
   * first packets, before the peer has proved anything but that the session is its own, and can be replayed by whoever
   * saw it: an acceptor holds it until the handshake is complete. Without a session it goes out after that. At most 16 KiB.
   */
  readonly earlyData?: Uint8Array;
}

/** One UDP socket that dials and accepts. */
export interface Endpoint {
  readonly localAddress: SocketAddress;
  /** Resolves once the peer's certificate was accepted. Errors: see {@link TransportErrorCode}. */
  connect(remote: SocketAddress, options: DialOptions): Promise<Connection>;
  /** Protocols accepted from now on; a connection offering none of them is refused by TLS. Empty: none accepted. */
  setAcceptedProtocols(protocols: readonly string[]): void;
  /** Called once for every incoming connection whose certificate was accepted. Set before the first can arrive. */
  onConnection(handler: (connection: Connection) => void): void;
  /** Called when an incoming connection was refused: what for, and from where. */
  onRejected(handler: (event: RejectedConnection) => void): void;
  /**
   * This machine's addresses have changed: says something on every connection, so that peers learn at once where packets
   * come from now, instead of with the next keep-alive.
   */
  refreshPaths(): void;
  /**
   * Session tickets that this side gave out are worthless from now on; their holders do a full handshake once. For when a
   * peer is no longer wanted; what was stored about it as a dialler goes with `SessionCache.forget`.
   */
  forgetSessions(): void;
  stats(): EndpointStats;
  /** Closes every connection with this code and reason, sends what that takes, and frees the socket. Idempotent. */
  close(code: number, reason: string): Promise<void>;
}

export interface RejectedConnection {
  readonly remote: SocketAddress;
  readonly closeCode: number;
  readonly reason: string;
}

export interface Connection {
  /** Unique among the connections of this process. */
  readonly id: string;
  readonly role: 'dialler' | 'acceptor';
  readonly alpn: string;
  readonly peer: PeerIdentity;
  /** The peer's certificate chain, DER, leaf first. */
  readonly peerCertificates: readonly Uint8Array[];
  readonly localAddress: SocketAddress;
  /** Where the peer's packets come from now; changes when the peer migrates. */
  readonly remoteAddress: SocketAddress;
  /** The peer was known by a session instead of a fresh proof of its key. */
  readonly isResumed: boolean;
  /** The stream that begins with `DialOptions.earlyData`, where that was given: the dialler goes on writing to it. */
  readonly earlyStream?: Promise<SendStream> | undefined;
  /** Opens a stream; waits for stream credit when the peer allows no more, until `signal` or the connection ends it. */
  openBidi(options?: OpenOptions): Promise<BidiStream>;
  openUni(options?: OpenOptions): Promise<SendStream>;
  /** Called once for every stream that the peer opened. Streams that arrive earlier are kept for it. */
  onStream(handler: (stream: IncomingStream) => void): void;
  /**
   * Closes with an application code: flushes what is being sent, then sends the close, and repeats it when packets keep
   * coming. Resolves when the connection is gone here. Idempotent: the first call decides.
   */
  close(code: number, reason: string): Promise<void>;
  /** Resolves when the connection has ended, however it did. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  /** Messages that may be lost. Undefined where an implementation has none. */
  readonly datagrams?: Datagrams;
  stats(): ConnectionStats;
  /** The streams that are open, one by one. */
  streamStats(): readonly StreamStats[];
}

/** Messages that may be lost, overtake each other, and are never repeated (RFC 9221). */
export interface Datagrams {
  /** The largest that can be sent now, in bytes; 0 when the peer takes none. */
  readonly maxBytes: number;
  /**
   * Sends a message, whose first byte must be 0x80 or above: the rest belong to the transport itself. False when it was
   * dropped at once: too large, or too many wait already.
   */
  send(bytes: Uint8Array): boolean;
  /** Called for every message; those that come before a handler is set are dropped. */
  onDatagram(handler: (bytes: Uint8Array) => void): void;
}

/** Who ended a connection, and why. */
export interface CloseInfo {
  readonly by: 'local' | 'peer' | 'timeout' | 'transport';
  /** Application close code when an application closed it; otherwise the transport's code, or undefined. */
  readonly code?: number;
  readonly reason: string;
}

export interface OpenOptions {
  /** A number, or a named level: `Priority.background`. Default 3, `Priority.normal`. */
  readonly urgency?: Urgency;
  /** Ends the wait for stream credit. */
  readonly signal?: AbortSignal;
}

export type IncomingStream =
  | (BidiStream & { readonly kind: 'bidi' })
  | (ReceiveStream & { readonly kind: 'uni' });

export interface SendStream {
  readonly id: number;
  /**
   * Queues the bytes and resolves when there is room for more (backpressure). The buffer belongs to the stream for as
   * long as it is among `bufferedBytes`: do not change it before. Rejects when the stream was stopped or reset, or the
   * connection has ended.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the stream after everything written so far (FIN). Resolves once all of it was handed to the transport. */
  finish(): Promise<void>;
  /** Gives the stream up at once. For violations only: every reset costs stream credit (see the driver). */
  reset(code: number): void;
  setUrgency(urgency: Urgency): void;
  /** Bytes queued here and not yet taken by the transport. */
  readonly bufferedBytes: number;
}

export interface ReceiveStream {
  readonly id: number;
  /**
   * The next bytes, in order, as they come; `null` at the end of the stream. The buffer belongs to the caller: `into`
   * itself where one is given (the result is the part of it that was filled), else a new one.
   * One read at a time. Rejects when the peer reset the stream or the connection has ended.
   */
  read(into?: Uint8Array): Promise<Uint8Array | null>;
  /** Asks the peer to send no more, and throws away what still comes. For violations only. */
  stop(code: number): void;
}

export interface BidiStream extends SendStream, ReceiveStream {}

export type TransportErrorCode =
  /** The address cannot be listened on: in use, not ours, not allowed. `cause` has the system's error. */
  | 'listen-failed'
  /** No answer within the handshake's time. */
  | 'handshake-timeout'
  /** TLS failed: no common protocol, or no proof of the key. */
  | 'handshake-failed'
  /** `verifyPeer` said no. */
  | 'peer-rejected'
  /** The connection has ended; `closeInfo` says how. */
  | 'connection-closed'
  | 'stream-reset'
  /** `streamCode` says why, unless acknowledgements of all that was sent came in the same moment. */
  | 'stream-stopped'
  /** Written to after `finish`, or read twice at once. */
  | 'stream-misused'
  /** It ended before as many bytes had come as were asked for. */
  | 'stream-ended'
  /** It brought more bytes than its reader allows. */
  | 'too-long'
  | 'endpoint-closed'
  | 'aborted';

export class TransportError extends Error {
  override readonly name = 'TransportError';
  constructor(
    readonly code: TransportErrorCode,
    message: string,
    readonly details: {
      readonly cause?: unknown;
      readonly closeInfo?: CloseInfo;
      readonly streamCode?: number;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
  }
}
