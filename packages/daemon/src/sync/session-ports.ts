import type { BidiStream, Connection } from '@landropic/quic';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import type { RandomNumber } from '../core/session/grease.js';
import type { HandshakeRefusal } from '../core/session/handshake.js';
import type { OverloadOptions } from '../core/session/overload-policy.js';
import type { FolderState } from '../core/wire/frames.js';
import type { ChunkSupplier } from './content-fetch.js';
import type { LinkedFolder } from './folder-link.js';
import type { PeerSession } from './peer-session.js';

/** The chunk side of a connection, made by the transfer adapter. */
export interface ChunkExchange {
  readonly client: ChunkSupplier & { close(): void };
  serve(stream: BidiStream, firstBytes: Uint8Array): Promise<void>;
  /** Requests of the peer that are not answered whole. */
  readonly serving?: () => number;
}

/** Requests of one session, over all connections with its peer. */
export interface ChunkSpread extends ChunkSupplier {
  close(): void;
  /** Requests of the peer that are not answered whole, on its other connections. */
  serving(): number;
}

export interface SessionIdentity {
  readonly bootId: string;
  readonly name: string;
  readonly software: string;
}

export interface PeerSessionDependencies {
  readonly connection: Connection;
  readonly device: DeviceKey;
  readonly clock: Clock;
  readonly identity: SessionIdentity;
  readonly sessionId: string;
  /** Folders shared with this device that are ready, by ID. Asked again whenever it matters. */
  readonly sharedFolders: () => ReadonlyMap<FolderId, LinkedFolder>;
  readonly exchange: (onFailure: (error: unknown) => void) => ChunkExchange;
  /** Chance: now and then something is sent that the peer has to pass over. Without it nothing of the kind is. */
  readonly random?: RandomNumber;
  /** What a connection that was dialled here is for. Default primary. */
  readonly connectionRole?: 'primary' | 'data';
  /** Who asks for chunks in the name of a primary session, instead of its own connection's client alone. */
  readonly spread?: (own: ChunkSupplier) => ChunkSpread;
  readonly overload?: OverloadOptions;
  /** Asked when the peer has said everything: why it is not taken. */
  readonly refuse?: () => HandshakeRefusal | undefined;
  readonly events: SessionEvents;
}

export interface SessionEvents {
  /** The handshake is done. The owner decides whether this connection stays; nothing else goes out before. */
  established(session: PeerSession): void;
  /** The peer shares a folder that we do not share with it (yet). */
  offered(session: PeerSession, states: readonly FolderState[]): void;
  /** Both sides share this folder, and it is exchanged from now on. */
  shared(session: PeerSession, folder: FolderId): void;
  /** The peer no longer shares, or does not want, this folder. */
  withdrawn(session: PeerSession, folder: FolderId): void;
  /** The peer broke the protocol, or spoke none that we know, and was closed for it. */
  violated(session: PeerSession, text: string): void;
  /** The peer asks for nothing more on this connection for data, and wants it closed when nothing is under way. */
  retired?(session: PeerSession): void;
  /** The peer reported an error. */
  reported(session: PeerSession, text: string): void;
  /** Something failed here; the connection was closed, and will be made again. */
  failed(session: PeerSession, error: unknown): void;
}
