import { type Datagrams, encodeFrame } from '@landropic/quic';
import type { FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import {
  type FolderActivity,
  PeerPresence,
  PRESENCE_FRAME,
  type Presence,
} from '../core/session/peer-presence.js';
import { decodeDatagram, encodePayload } from '../core/wire/codec.js';
import type { Frame } from '../core/wire/frames.js';

export interface SessionDatagramsDependencies {
  /** Undefined where the connection has none: then nothing is said or heard. */
  readonly datagrams: Datagrams | undefined;
  readonly clock: Clock;
  readonly isExchanged: (folder: FolderId) => boolean;
  /** Where our index of a folder stands; undefined when it is not exchanged any more. */
  readonly sequenceOf: (folder: FolderId) => number | undefined;
  /** The peer sent what no datagram of the protocol is. */
  readonly onFailure: (error: unknown) => void;
}

/** Said again this often: any of them may be lost. */
const REPEAT_MS = 30_000;
/** Away: nothing was changed here for this long. */
const AWAY_AFTER_MS = 5 * 60_000;
const ACTIVITY_MS = 1_000;
/** More than so many of a peer's in one second are dropped unread: each may be lost anyway. */
const MAX_PER_SECOND = 200;

/** Presence and folder activity of one session, both ways, by datagrams that may be lost. */
export class SessionDatagrams {
  private readonly peer = new PeerPresence();
  private readonly active = new Set<FolderId>();
  private counter = 0;
  private presence: Presence = 'online';
  private cancelRepeat: (() => void) | undefined;
  private cancelAway: (() => void) | undefined;
  private cancelActivity: (() => void) | undefined;
  private second = 0;
  private inSecond = 0;
  private stopped = false;

  constructor(private readonly deps: SessionDatagramsDependencies) {}

  /** What the peer said of itself last. */
  get peerPresence(): Presence {
    return this.peer.presence;
  }

  /** What the peer hinted of a folder last. */
  activityOf(folder: FolderId): FolderActivity | undefined {
    return this.peer.activityOf(folder);
  }

  start(): void {
    const { datagrams } = this.deps;
    if (datagrams === undefined || this.stopped) return;
    datagrams.onDatagram((bytes) => this.take(bytes));
    this.noteChange();
    this.say();
  }

  stop(): void {
    this.stopped = true;
    this.cancelRepeat?.();
    this.cancelAway?.();
    this.cancelActivity?.();
  }

  /** We go. */
  leave(): void {
    this.set('offline');
    this.cancelAway?.();
  }

  /** Somebody changed something here. */
  noteChange(): void {
    if (this.stopped || this.presence === 'offline') return;
    this.set('online');
    this.cancelAway?.();
    this.cancelAway = this.deps.clock.after(AWAY_AFTER_MS, () => this.set('away'));
  }

  /** This folder's index has more than before: told within a second, also while its entries have to wait. */
  noteActivity(folder: FolderId): void {
    if (this.stopped || this.deps.datagrams === undefined) return;
    this.active.add(folder);
    this.cancelActivity ??= this.deps.clock.after(ACTIVITY_MS, () => {
      this.cancelActivity = undefined;
      this.tellActivity();
    });
  }

  forget(folder: FolderId): void {
    this.active.delete(folder);
    this.peer.forget(folder);
  }

  private set(presence: Presence): void {
    if (this.presence === presence || this.stopped) return;
    this.presence = presence;
    this.say();
  }

  private say(): void {
    this.send({ type: PRESENCE_FRAME[this.presence], counter: ++this.counter });
    this.cancelRepeat?.();
    this.cancelRepeat = this.deps.clock.after(REPEAT_MS, () => this.say());
  }

  private tellActivity(): void {
    for (const folder of this.active) {
      const sequence = this.deps.sequenceOf(folder);
      if (sequence !== undefined)
        this.send({ type: 'folderActivity', counter: ++this.counter, folder, sequence });
    }
    this.active.clear();
  }

  private send(frame: Frame): void {
    const { datagrams } = this.deps;
    const { frameType, payload } = encodePayload(frame);
    const bytes = encodeFrame(frameType, payload);
    if (datagrams !== undefined && bytes.length <= datagrams.maxBytes) datagrams.send(bytes);
  }

  private take(bytes: Uint8Array): void {
    if (this.stopped) return;
    const nowMs = this.deps.clock.monotonicMs();
    const second = Math.floor(nowMs / 1000);
    this.inSecond = second === this.second ? this.inSecond + 1 : 1;
    this.second = second;
    if (this.inSecond > MAX_PER_SECOND) return;
    try {
      const frame = decodeDatagram(bytes);
      if (frame !== undefined) this.peer.take(frame, this.deps.isExchanged, nowMs);
    } catch (error) {
      this.deps.onFailure(error);
    }
  }
}
