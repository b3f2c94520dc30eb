import type { FolderId } from '../model/identifiers.js';
import type { Frame } from '../wire/frames.js';

/** `away`: its daemon runs, and nothing was changed there for a while. */
export type Presence = 'online' | 'away' | 'offline';

export interface FolderActivity {
  /** The peer's index had reached this sequence. A hint: the index itself tells. */
  readonly sequence: number;
  readonly atMs: number;
}

const PRESENCE_OF = {
  presenceOnline: 'online',
  presenceAway: 'away',
  presenceOffline: 'offline',
} as const satisfies Record<string, Presence>;

export const PRESENCE_FRAME = {
  online: 'presenceOnline',
  away: 'presenceAway',
  offline: 'presenceOffline',
} as const satisfies Record<Presence, Frame['type']>;

/**
 * What a peer's datagrams say. They may be lost, doubled and overtake each other, and each carries a counter that goes up
 * by every one sent on that connection.
 *
 * 1. What is shown is what the datagram with the highest counter of those that came says: of all about presence, and of
 *    all about activity of that folder.
 * 2. Datagrams of other kinds, and about folders that are not exchanged, change nothing.
 */
export class PeerPresence {
  private presenceCounter = -1;
  private current: Presence = 'online';
  private readonly activities = new Map<FolderId, FolderActivity & { readonly counter: number }>();

  /** Whoever says nothing is online: it is connected. */
  get presence(): Presence {
    return this.current;
  }

  activityOf(folder: FolderId): FolderActivity | undefined {
    return this.activities.get(folder);
  }

  /** True when it changed what is shown. */
  take(frame: Frame, isExchanged: (folder: FolderId) => boolean, nowMs: number): boolean {
    switch (frame.type) {
      case 'presenceOnline':
      case 'presenceAway':
      case 'presenceOffline': {
        if (frame.counter <= this.presenceCounter) return false;
        this.presenceCounter = frame.counter;
        const before = this.current;
        this.current = PRESENCE_OF[frame.type];
        return this.current !== before;
      }
      case 'folderActivity': {
        const { folder, counter, sequence } = frame;
        if (!isExchanged(folder)) return false;
        const known = this.activities.get(folder);
        if (known !== undefined && counter <= known.counter) return false;
        this.activities.set(folder, { counter, sequence, atMs: nowMs });
        return true;
      }
      default:
        return false;
    }
  }

  /** The folder is not exchanged any more. */
  forget(folder: FolderId): void {
    this.activities.delete(folder);
  }
}
