import type { AuthenticateStream, CloseInfo, SocketAddress, VerifyPeer } from '../transport.js';
import type { TransportProfile } from '../transport-profile.js';
import type { DatagramIo } from '../udp/datagram-io.js';
import type { ResumptionPolicy } from './admission/early-data.js';
import type { Refusal } from './admission/peer-judgement.js';
import type { UnsentClose } from './closing/unsent-close.js';
import type { QuicConnection } from './connection.js';
import type { AdmissionLimits } from './options.js';
import type { PeerPath } from './path/peer-path.js';
import type { QuicheConnection } from './quiche-binding.js';
import type { ClosingDatagram } from './sending/packet-sender.js';
import type { IdentificationPolicy } from './streams/identification-watch.js';
import type { ReceiveSlab } from './streams/receive-slab.js';

/** What a connection needs of its endpoint. */
export interface ConnectionHost {
  readonly io: DatagramIo;
  readonly receiveSlab: ReceiveSlab;
  readonly scratch: Uint8Array;
  readonly profile: TransportProfile;
  readonly admission: AdmissionLimits;
  readonly authenticateStream: AuthenticateStream | undefined;
  readonly identification: IdentificationPolicy | undefined;
  /** Processes the connection at the end of this turn of the event loop. */
  schedule(connection: QuicConnection): void;
  /** The kernel takes no more packets: try again in a moment. */
  scheduleLater(connection: QuicConnection): void;
  countSent(packets: number, bytes: number): void;
  /** The peer's certificate was accepted. */
  handleVerified(connection: QuicConnection): void;
  /** The peer of a dialled connection has another address than before. */
  handleMoved(connection: QuicConnection, from: SocketAddress): void;
  handleRejected(connection: QuicConnection, refusal: Refusal): void;
  handleEnded(
    connection: QuicConnection,
    info: CloseInfo,
    closing: ClosingDatagram | UnsentClose | undefined,
  ): void;
}

export interface ConnectionSetup {
  readonly id: string;
  readonly role: 'dialler' | 'acceptor';
  readonly quiche: QuicheConnection;
  readonly path: PeerPath;
  readonly verifyPeer: VerifyPeer;
  readonly localAddress: SocketAddress;
  readonly packetTargetBytes: number;
  readonly handshakeTimeoutMs: number;
  /** Of an acceptor: which sessions it lets peers resume. */
  readonly resumption?: ResumptionPolicy | undefined;
  /** Of a dialler: where its session with this peer belongs. */
  readonly storeSession?: ((peerKey: string, alpn: string, session: Uint8Array) => void) | undefined;
}
