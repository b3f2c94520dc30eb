import type { Connection, ReceiveStream } from '@landropic/quic';
import { readFrames, TokenBucket } from '@landropic/quic';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { ChunkPartsBudget } from '../core/session/chunk-parts.js';
import type { OverloadOptions } from '../core/session/overload-policy.js';
import { SHARDS } from '../core/session/shard-assignment.js';
import type { Throttle } from '../core/session/throttle-pace.js';
import { decodePayload, WireError } from '../core/wire/codec.js';
import { StreamKind } from '../core/wire/frame-types.js';
import type { FolderState, Frame, FrameOf } from '../core/wire/frames.js';
import { frameLimit, Limits } from '../core/wire/limits.js';
import type { ChunkSupplier } from './content-fetch.js';
import type { LinkedFolder } from './folder-link.js';
import { FrameWriter } from './frame-writer.js';
import { readWithin } from './incoming-streams.js';
import { IndexStreams } from './index-streams.js';
import { OverloadWatch } from './overload-watch.js';
import { PushGate } from './push-gate.js';
import { SessionFolder } from './session-folder.js';

export interface SessionFoldersDependencies {
  readonly connection: Connection;
  readonly device: DeviceKey;
  readonly clock: Clock;
  readonly sharedFolders: () => ReadonlyMap<FolderId, LinkedFolder>;
  /** Sends on the control stream. */
  readonly send: (frame: Frame) => void;
  readonly supplier: () => ChunkSupplier;
  readonly onOffered: (states: readonly FolderState[]) => void;
  /** Both sides share it from now on. */
  readonly onShared: (id: FolderId) => void;
  /** Our index of this folder has more than before. */
  readonly onChanged: (id: FolderId) => void;
  /** Something that was made on this device went out. */
  readonly onAuthored: () => void;
  /** The folder is not exchanged any more. */
  readonly onClosed: (id: FolderId) => void;
  /** Called for every stream that was opened, before anything else goes out on it. */
  readonly onOpened: (writer: FrameWriter) => void;
  readonly onFailure: (error: unknown) => void;
}

export interface SessionFoldersOptions {
  /** When the peer is asked to slow down. */
  readonly overload?: OverloadOptions;
}

/** Which opening of a folder a stream carried last; `passed` for one that was passed over. */
type Carried = Map<FolderId, SessionFolder | 'passed'>;

const RECEIPTS_URGENCY = 1;
/** How long a shard's number may be behind its stream's kind. */
const SHARD_NUMBER_MS = 1_000;
/** How long entries may be ahead of the acceptance of their folder. */
const OPEN_MS = 10_000;

/**
 * The folders of one session: which are shared by both sides, on which stream their entries travel, and what came for
 * them. A folder is exchanged once its state was both sent and received.
 */
export class SessionFolders {
  private readonly sent = new Map<FolderId, FolderState>();
  private readonly received = new Map<FolderId, FolderState>();
  private readonly open = new Map<FolderId, SessionFolder>();
  private readonly streams: IndexStreams;
  private readonly partsBudget = new ChunkPartsBudget();
  private readonly gate: PushGate;
  private readonly overload: OverloadWatch;
  private readonly closed = new Set<FolderId>();
  private readonly openings = new Map<FolderId, TokenBucket>();
  private readonly waiting = new Map<FolderId, readonly (() => void)[]>();
  private receipts: Promise<FrameWriter> | undefined;
  /** Nothing more is asked for. */
  private isQuiet = false;
  private stopped = false;

  constructor(
    private readonly deps: SessionFoldersDependencies,
    options: SessionFoldersOptions = {},
  ) {
    const { connection, clock, send, onOpened, onFailure } = deps;
    this.gate = new PushGate(clock);
    this.streams = new IndexStreams({
      connection,
      clock,
      send,
      onOpened,
      onFailure,
      onDue: (id) => this.open.get(id)?.wakePush(),
    });
    this.overload = new OverloadWatch(
      { clock, pending: () => this.pending(), send: (throttle) => send({ type: 'throttle', ...throttle }) },
      options.overload,
    );
  }

  /** The states of all folders that are ready, for the handshake; they count as sent. */
  announceAll(): readonly FolderState[] {
    const states: FolderState[] = [];
    for (const [id, folder] of this.deps.sharedFolders()) {
      const state = folder.state(this.deps.device);
      if (state === undefined) continue;
      this.sent.set(id, state);
      states.push(state);
    }
    return states;
  }

  /** A folder became ready, or was shared, while the session lives. */
  announce(id: FolderId): void {
    if (this.stopped || this.sent.has(id)) return;
    const state = this.deps.sharedFolders().get(id)?.state(this.deps.device);
    if (state === undefined) return;
    this.sent.set(id, state);
    this.deps.send({ type: this.received.has(id) ? 'folderAccept' : 'folderOffer', state });
    this.openIfBoth(id);
  }

  /** States that the peer told: in its handshake, as an offer, or as an acceptance. */
  theirs(states: readonly FolderState[]): void {
    for (const state of states) {
      if (!this.received.has(state.folder) && this.received.size >= Limits.foldersPerDevice)
        throw new WireError('limit-exceeded', 'too many folders are offered');
      this.received.set(state.folder, state);
      this.announce(state.folder);
      this.openIfBoth(state.folder);
    }
    const shared = this.deps.sharedFolders();
    const offered = states.filter((state) => !shared.has(state.folder));
    if (offered.length > 0) this.deps.onOffered(offered);
  }

  /** We no longer share it with this device. What the device shares is an offer again. */
  remove(id: FolderId): void {
    if (!this.sent.has(id)) return;
    const theirs = this.received.get(id);
    this.received.delete(id);
    this.close(id);
    this.deps.send({ type: 'folderRemove', folder: id });
    if (theirs !== undefined) this.deps.onOffered([theirs]);
  }

  /** The peer no longer shares it with us. */
  withdrawn(id: FolderId): void {
    this.received.delete(id);
    this.close(id);
  }

  /** What the peer offers is not wanted. */
  decline(id: FolderId): void {
    if (!this.received.has(id) || this.sent.has(id)) return;
    this.received.delete(id);
    this.deps.send({ type: 'folderDecline', folder: id });
  }

  isOpen(id: FolderId): boolean {
    return this.open.has(id);
  }

  /** The peer asks for a slower push of its index, or for one as fast as before. */
  throttled(asked: Throttle): void {
    this.gate.throttle(asked);
  }

  /** The peer takes nothing of this folder for now, or does again. */
  paused(id: FolderId, paused: boolean): void {
    if (this.sent.has(id)) this.gate.setPaused(id, paused);
  }

  /** Sends nothing of this folder for now and tells the peer to do the same, or goes on. */
  pause(id: FolderId, paused: boolean): void {
    if (!this.open.has(id)) return;
    this.gate.setPaused(id, paused, 'here');
    this.deps.send({ type: 'folderPause', folder: id, paused });
  }

  /** The peer has said that it takes nothing of this folder for now. */
  isPausedThere(id: FolderId): boolean {
    return this.open.has(id) && this.gate.isPausedByPeer(id);
  }

  /** Up to which of our sequences the peer has stored the entries of this folder. */
  deliveredThere(id: FolderId): number {
    return this.open.get(id)?.deliveredThere ?? 0;
  }

  /** Where our index of this folder stands; undefined while it is not exchanged. */
  sequenceOf(id: FolderId): number | undefined {
    return this.open.get(id)?.sequence;
  }

  /** Requests of chunks that the peer has not answered whole. */
  get requestsUnderWay(): number {
    let sum = 0;
    for (const folder of this.open.values()) sum += folder.requestsUnderWay;
    return sum;
  }

  /** Nothing new goes out or is asked for any more; what is under way goes on. */
  quiesce(): void {
    this.gate.close();
    this.isQuiet = true;
  }

  stop(): void {
    this.stopped = true;
    this.gate.close();
    this.streams.stop();
    this.overload.stop();
    for (const id of [...this.open.keys(), ...this.waiting.keys()]) this.close(id);
  }

  /** Reads an index or a receipt stream to its end. Throws {@link WireError} on a violation. */
  async read(
    kind: 'index' | 'receipts',
    streamKind: number,
    stream: ReceiveStream,
    rest: Uint8Array,
  ): Promise<void> {
    const first =
      streamKind === StreamKind.indexShard ? await skipShardNumber(stream, rest, this.deps.clock) : rest;
    const carried: Carried = new Map();
    for await (const raw of readFrames(stream, (type) => frameLimit(streamKind, type), first)) {
      if (this.stopped) return;
      const frame = decodePayload(raw.type, raw.payload);
      if (frame === undefined) continue;
      if (kind === 'receipts') this.takeReceipt(frame);
      else await this.takeIndex(frame, stream.id, carried);
    }
  }

  private takeReceipt(frame: Frame): void {
    if (frame.type === 'durable') this.open.get(frame.folder)?.durableThere(frame);
    else if (frame.type === 'delivered') this.open.get(frame.folder)?.deliveredThereUpTo(frame);
  }

  private async takeIndex(frame: Frame, stream: number, carried: Carried): Promise<void> {
    if (!('folder' in frame)) return;
    const { folder: id } = frame;
    if (frame.type === 'indexStart') {
      await this.startOn(frame, stream, carried);
      return;
    }
    const opening = carried.get(id);
    if (opening === undefined) throw new WireError('malformed', 'entries come before their start');
    // What was on its way when a folder was closed is passed over, up to where it starts anew.
    if (opening === 'passed' || opening !== this.open.get(id)) return;
    if (frame.type === 'indexEntries') this.overload.received(frame.entries.length);
    await opening.takeIndex(frame, stream);
  }

  private async startOn(frame: FrameOf<'indexStart'>, stream: number, carried: Carried): Promise<void> {
    const { folder: id } = frame;
    if (!this.sent.has(id)) {
      if (!this.closed.has(id)) throw new WireError('malformed', 'entries of a folder that is not shared');
      carried.set(id, 'passed');
      return;
    }
    // The acceptance may be on its way on another stream.
    if (!this.open.has(id)) await this.opened(id);
    const opening = this.open.get(id);
    carried.set(id, opening ?? 'passed');
    if (opening === undefined) return;
    this.closed.delete(id);
    await opening.takeIndex(frame, stream);
  }

  private pending(): number {
    let sum = 0;
    for (const folder of this.open.values()) sum += folder.pending;
    return sum;
  }

  private opened(id: FolderId): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.deps.clock.after(OPEN_MS, () => {
        reject(new WireError('malformed', 'entries of a folder that was not accepted'));
      });
      const done = () => {
        cancel();
        resolve();
      };
      this.waiting.set(id, [...(this.waiting.get(id) ?? []), done]);
    });
  }

  private release(id: FolderId): void {
    const waiting = this.waiting.get(id) ?? [];
    this.waiting.delete(id);
    for (const resume of waiting) resume();
  }

  private openIfBoth(id: FolderId): void {
    if (this.stopped || this.open.has(id)) return;
    const ours = this.sent.get(id);
    const theirs = this.received.get(id);
    const folder = this.deps.sharedFolders().get(id);
    if (ours === undefined || theirs === undefined || folder === undefined) return;
    if (!this.mayOpen(id)) return;
    this.streams.open(id);
    const opened = new SessionFolder(
      {
        device: this.deps.device,
        folder,
        supplier: this.deps.supplier(),
        mayAsk: () => !this.isQuiet,
        push: {
          stream: () => this.streams.streamOf(id),
          gate: this.gate,
          onUpdated: (entries, own) => {
            this.streams.updated(id, entries);
            if (own > 0) this.deps.onAuthored();
          },
        },
        receiptWriter: () => this.receiptWriter(),
        clock: this.deps.clock,
        partsBudget: this.partsBudget,
        onChanged: () => this.deps.onChanged(id),
        onFailure: this.deps.onFailure,
      },
      { ours, theirs },
    );
    this.open.set(id, opened);
    if (folder.isPaused === true) this.pause(id, true);
    opened.start();
    this.deps.onShared(id);
    this.release(id);
  }

  /** Everything of the folder is told anew: a peer may not have that without end. */
  private mayOpen(id: FolderId): boolean {
    const nowMs = this.deps.clock.monotonicMs();
    const { folderOpeningsAtOnce: capacity, folderOpeningsPerMinute } = Limits;
    const known = this.openings.get(id);
    const openings =
      known ?? new TokenBucket({ capacity, refillPerSecond: folderOpeningsPerMinute / 60 }, nowMs);
    this.openings.set(id, openings);
    if (openings.tryTake(1, nowMs)) return true;
    this.deps.onFailure(new WireError('limit-exceeded', 'a folder is taken and given up without end'));
    return false;
  }

  private close(id: FolderId): void {
    if (this.sent.delete(id)) this.closed.add(id);
    this.release(id);
    const folder = this.open.get(id);
    this.open.delete(id);
    folder?.stop();
    this.gate.setPaused(id, false);
    this.gate.setPaused(id, false, 'here');
    if (this.stopped) return;
    this.streams.close(id);
    this.deps.onClosed(id);
  }

  private receiptWriter(): Promise<FrameWriter> {
    this.receipts ??= FrameWriter.open(this.deps, {
      kind: StreamKind.receipts,
      urgency: RECEIPTS_URGENCY,
    }).then((writer) => {
      this.deps.onOpened(writer);
      return writer;
    });
    return this.receipts;
  }
}

async function skipShardNumber(stream: ReceiveStream, rest: Uint8Array, clock: Clock): Promise<Uint8Array> {
  const bytes = rest.length > 0 ? rest : await readWithin(stream, clock, SHARD_NUMBER_MS, 'its shard');
  if (bytes === null) return new Uint8Array(0);
  if ((bytes[0] ?? SHARDS) >= SHARDS) throw new WireError('malformed', 'a shard number beyond 7');
  return bytes.subarray(1);
}
