import type { ChunkRef, FileEntry } from '../model/file-entry.js';
import type { ContentHash, FolderId, IndexId } from '../model/identifiers.js';
import type { RelativePath } from '../model/relative-path.js';

/** Payloads of landropic/1 as the daemon uses them: parsed, within their limits. `wire/codec` makes and reads the bytes. */

/** A folder as one side sees it: what it has of its own, and what it holds of the other's. */
export interface FolderState {
  readonly folder: FolderId;
  readonly label: string;
  readonly indexId: IndexId;
  readonly sequence: number;
  readonly commitTag: string;
  /** The other side's index, and up to where it is durable here. */
  readonly holding: { readonly indexId: IndexId; readonly sequence: number } | undefined;
}

export type Frame =
  | {
      readonly type: 'hello';
      readonly versions: readonly number[];
      readonly bootId: string;
      readonly role: 'primary' | 'data';
      readonly name: string;
      readonly software: string;
      readonly features: readonly string[];
    }
  | {
      readonly type: 'helloAck';
      readonly version: number | undefined;
      readonly bootId: string;
      readonly sessionId: string;
      readonly name: string;
      readonly software: string;
      readonly features: readonly string[];
    }
  | { readonly type: 'auth'; readonly folders: readonly FolderState[] }
  | { readonly type: 'authOk'; readonly folders: readonly FolderState[] }
  | { readonly type: 'authFailed'; readonly reason: string }
  | { readonly type: 'ping'; readonly nonce: number }
  | { readonly type: 'pong'; readonly nonce: number }
  | { readonly type: 'throttle'; readonly entriesPerSecond: number; readonly forMs: number }
  | { readonly type: 'goodbye'; readonly reason: string }
  | { readonly type: 'folderOffer'; readonly state: FolderState }
  | { readonly type: 'folderAccept'; readonly state: FolderState }
  | { readonly type: 'folderDecline'; readonly folder: FolderId }
  | { readonly type: 'folderRemove'; readonly folder: FolderId }
  | { readonly type: 'folderPause'; readonly folder: FolderId; readonly paused: boolean }
  | {
      readonly type: 'indexStart';
      readonly folder: FolderId;
      readonly indexId: IndexId;
      readonly afterSequence: number;
    }
  | { readonly type: 'indexEntries'; readonly folder: FolderId; readonly entries: readonly SequencedEntry[] }
  /** Chunks of the entry that comes next with that path and this many chunks; parts come in order, before it. */
  | {
      readonly type: 'chunkListPart';
      readonly folder: FolderId;
      readonly path: RelativePath;
      readonly offset: number;
      readonly chunks: readonly ChunkRef[];
    }
  | { readonly type: 'indexEnd'; readonly folder: FolderId; readonly upToSequence: number }
  | {
      readonly type: 'shardAssignment';
      readonly shards: readonly { readonly folder: FolderId; readonly shard: number }[];
    }
  | { readonly type: 'folderPromoted'; readonly folder: FolderId }
  | { readonly type: 'folderDemoted'; readonly folder: FolderId; readonly shard: number }
  | {
      readonly type: 'delivered';
      readonly folder: FolderId;
      readonly indexId: IndexId;
      readonly sequence: number;
    }
  | {
      readonly type: 'durable';
      readonly folder: FolderId;
      readonly indexId: IndexId;
      readonly sequence: number;
      readonly unplaceable: readonly { readonly path: string; readonly reason: string }[];
    }
  | {
      readonly type: 'members';
      readonly folder: FolderId;
      readonly members: readonly {
        readonly device: string;
        readonly durable: readonly { readonly indexId: IndexId; readonly sequence: number }[];
      }[];
    }
  | {
      readonly type: 'chunkRequest';
      readonly requestId: number;
      readonly folder: FolderId;
      readonly chunks: readonly ContentHash[];
    }
  /** `index` is the chunk's place in its request. */
  | { readonly type: 'chunk'; readonly requestId: number; readonly index: number; readonly bytes: Uint8Array }
  | { readonly type: 'chunkMissing'; readonly requestId: number; readonly index: number }
  | { readonly type: 'chunkCancel'; readonly requestId: number }
  | { readonly type: 'presenceOnline' | 'presenceAway' | 'presenceOffline'; readonly counter: number }
  | {
      readonly type: 'folderActivity';
      readonly counter: number;
      readonly folder: FolderId;
      readonly sequence: number;
    }
  | {
      readonly type: 'redeem';
      readonly ticketId: Uint8Array;
      readonly proof: Uint8Array;
      readonly name: string;
      readonly listenPort: number | undefined;
    }
  | { readonly type: 'redeemed'; readonly proof: Uint8Array; readonly name: string }
  | { readonly type: 'sasCommit'; readonly commitment: Uint8Array; readonly name: string }
  | { readonly type: 'sasNonce'; readonly nonce: Uint8Array; readonly name: string }
  | { readonly type: 'sasReveal'; readonly nonce: Uint8Array }
  | { readonly type: 'sasConfirm'; readonly confirmed: boolean }
  | { readonly type: 'pairRefused'; readonly reason: string }
  | { readonly type: 'error'; readonly code: number; readonly text: string };

export type FrameOf<T extends Frame['type']> = Extract<Frame, { type: T }>;

export interface SequencedEntry {
  readonly sequence: number;
  readonly entry: FileEntry;
  /**
   * Set when a received entry's chunks came ahead in ChunkListPart frames: how many. Its own list is empty until the
   * index receiver has put it together; whoever comes after the receiver never sees this.
   */
  readonly chunksInParts?: number;
}
