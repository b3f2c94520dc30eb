import type { Urgency } from './transport.js';

/**
 * Figures of the transport, gathered when asked for. Counters only grow; everything else is how it is now.
 * Nothing here names a peer.
 */

/** Why a connection came to nothing before its peer was accepted. */
export type RejectionReason =
  /** `verifyPeer` said no; {@link EndpointStats.refusedByCode} has the codes. */
  | 'peer-refused'
  | 'no-certificate'
  /** TLS found no protocol in common. */
  | 'no-common-protocol'
  | 'handshake-failed'
  | 'handshake-timeout'
  /** The other side closed before it was verified. */
  | 'handshake-given-up'
  /** No protocol is accepted at all at the moment. */
  | 'not-accepting'
  /** No packet that could begin a connection. */
  | 'malformed'
  | 'unsupported-version'
  | 'too-many-half-open'
  | 'too-many-half-open-from-address'
  | 'too-many-connections'
  | 'too-many-connections-from-address'
  /** More new connections a second than allowed. */
  | 'too-many-attempts'
  /** More strangers a second than get an answer. */
  | 'too-many-answers'
  /** A session was resumed under a protocol that does not allow it, or carried more than may travel early. */
  | 'early-data-refused';

export interface EndpointStats {
  /** Connections now, half-open ones included. */
  readonly connections: number;
  /** Of these, those whose peer is not verified yet. */
  readonly halfOpen: number;
  /** Calls of `connect`. */
  readonly attempted: number;
  /** First packets of connections that others began, whatever came of them. */
  readonly incoming: number;
  /** Incoming connections whose peer was accepted. */
  readonly accepted: number;
  /** Connections that have ended, after their peer was accepted. */
  readonly closed: number;
  /** Both ways: incoming connections, and dialled ones whose peer was not the one wanted. */
  readonly rejected: Readonly<Partial<Record<RejectionReason, number>>>;
  /** `peer-refused` by the close code that `verifyPeer` gave. */
  readonly refusedByCode: Readonly<Record<number, number>>;
  /** Addresses that were asked to prove themselves. */
  readonly retriesSent: number;
  /** Answers to packets of connections that nobody here knows. */
  readonly resetsSent: number;
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Which datagram I/O carries the packets. */
  readonly datagramIo: string;
}

export interface ConnectionStats {
  readonly ageMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly packetsLost: number;
  readonly bytesLost: number;
  /** Bytes of streams that were sent again. */
  readonly bytesRetransmitted: number;
  /** The transport's smoothed estimate, ms; 0 on a LAN: measure with a ping of your own. */
  readonly rttMs: number;
  readonly congestionWindowBytes: number;
  readonly deliveryRateBytesPerSecond: number;
  readonly packetSizeBytes: number;
  /** Streams that both sides opened so far. */
  readonly streamsOpened: number;
  readonly streamsOpen: number;
  readonly streamsClosed: number;
  /** Calls of `openBidi` and `openUni` that wait until the peer allows more. */
  readonly streamsWaiting: number;
  /** Resets and stops so far; see the driver for what they cost. */
  readonly streamsAborted: number;
  /** Bytes of streams that the application has read. */
  readonly streamBytesRead: number;
  /** Bytes written to streams and not yet taken by the transport. */
  readonly sendBufferedBytes: number;
  readonly datagrams: DatagramStats;
}

/** Messages of the application, see `Datagrams`. */
export interface DatagramStats {
  readonly sent: number;
  readonly received: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Sent, and not on the network yet. */
  readonly queued: number;
  /** Larger than a packet carries, now or by the time it would have gone out. */
  readonly droppedTooLarge: number;
  /** Too many waited to be sent. */
  readonly droppedQueueFull: number;
  /** Received while nobody had set a handler. */
  readonly droppedNoHandler: number;
  /** Received faster than they were taken. A lower bound: the transport does not say how many there were. */
  readonly droppedReceiveQueueFull: number;
}

export const NO_DATAGRAMS: DatagramStats = {
  sent: 0,
  received: 0,
  bytesSent: 0,
  bytesReceived: 0,
  queued: 0,
  droppedTooLarge: 0,
  droppedQueueFull: 0,
  droppedNoHandler: 0,
  droppedReceiveQueueFull: 0,
};

/** One stream that is open. */
export interface StreamStats {
  readonly id: number;
  readonly kind: 'bidi' | 'uni';
  readonly openedBy: 'local' | 'peer';
  readonly urgency: Urgency;
  readonly ageMs: number;
  /** Read by the application. */
  readonly bytesIn: number;
  /** Taken by the transport. */
  readonly bytesOut: number;
  /** Written and not yet taken. */
  readonly bufferedBytes: number;
}
