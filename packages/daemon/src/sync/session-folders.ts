import type { Connection, ReceiveStream } from '@landropic/quic';
import { readFrames } from '@landropic/quic';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { decodePayload, WireError } from '../core/wire/codec.js';
import { StreamKind } from '../core/wire/frame-types.js';
import type { FolderState, Frame } from '../core/wire/frames.js';
import { frameLimit, Limits } from '../core/wire/limits.js';
import type { ChunkSupplier } from './content-fetch.js';
import type { LinkedFolder } from './folder-link.js';
import { FrameWriter } from './frame-writer.js';
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
  readonly onFailure: (error: unknown) => void;
}

const SHARDS = 8;
const RECEIPTS_URGENCY = 1;
const INDEX_URGENCY = 2;
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
  private readonly shards = new Map<number, Promise<FrameWriter>>();
  private readonly closed = new Set<FolderId>();
  private readonly waiting = new Map<FolderId, readonly (() => void)[]>();
  private receipts: Promise<FrameWriter> | undefined;
  private shardsAssigned = 0;
  private stopped = false;

  constructor(private readonly deps: SessionFoldersDependencies) {}

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

  isOpen(id: FolderId): boolean {
    return this.open.has(id);
  }

  stop(): void {
    this.stopped = true;
    for (const id of [...this.open.keys(), ...this.waiting.keys()]) this.close(id);
  }

  /** Reads an index or a receipt stream to its end. Throws {@link WireError} on a violation. */
  async read(
    kind: 'index' | 'receipts',
    streamKind: number,
    stream: ReceiveStream,
    rest: Uint8Array,
  ): Promise<void> {
    const first = streamKind === StreamKind.indexShard ? await skipShardNumber(stream, rest) : rest;
    for await (const raw of readFrames(stream, (type) => frameLimit(streamKind, type), first)) {
      if (this.stopped) return;
      const frame = decodePayload(raw.type, raw.payload);
      if (frame === undefined) continue;
      if (kind === 'receipts') this.takeReceipt(frame);
      else await this.takeIndex(frame);
    }
  }

  private takeReceipt(frame: Frame): void {
    if (frame.type === 'durable') this.open.get(frame.folder)?.durableThere(frame);
  }

  private async takeIndex(frame: Frame): Promise<void> {
    if (!('folder' in frame)) return;
    const { folder: id } = frame;
    // What was on its way when a folder was closed is passed over, up to where it starts anew.
    if (this.closed.has(id) && (frame.type !== 'indexStart' || !this.sent.has(id))) return;
    if (!this.open.has(id)) {
      if (!this.sent.has(id)) throw new WireError('malformed', 'entries of a folder that is not shared');
      // The acceptance is on its way on another stream.
      await this.opened(id);
    }
    const folder = this.open.get(id);
    if (folder === undefined) return;
    this.closed.delete(id);
    folder.takeIndex(frame);
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
    const shard = this.shardsAssigned++ % SHARDS;
    this.deps.send({ type: 'shardAssignment', shards: [{ folder: id, shard }] });
    const opened = new SessionFolder(
      {
        device: this.deps.device,
        folder,
        supplier: this.deps.supplier(),
        indexWriter: () => this.shardWriter(shard),
        receiptWriter: () => this.receiptWriter(),
        clock: this.deps.clock,
        onFailure: this.deps.onFailure,
      },
      { ours, theirs },
    );
    this.open.set(id, opened);
    opened.start();
    this.deps.onShared(id);
    this.release(id);
  }

  private close(id: FolderId): void {
    if (this.sent.delete(id)) this.closed.add(id);
    this.release(id);
    const folder = this.open.get(id);
    this.open.delete(id);
    folder?.stop();
  }

  private shardWriter(shard: number): Promise<FrameWriter> {
    const known = this.shards.get(shard);
    if (known !== undefined) return known;
    const opened = FrameWriter.open(this.deps, {
      kind: StreamKind.indexShard,
      urgency: INDEX_URGENCY,
      head: [shard],
    });
    this.shards.set(shard, opened);
    return opened;
  }

  private receiptWriter(): Promise<FrameWriter> {
    this.receipts ??= FrameWriter.open(this.deps, {
      kind: StreamKind.receipts,
      urgency: RECEIPTS_URGENCY,
    });
    return this.receipts;
  }
}

async function skipShardNumber(stream: ReceiveStream, rest: Uint8Array): Promise<Uint8Array> {
  let bytes: Uint8Array | null = rest;
  while (bytes !== null && bytes.length === 0) bytes = await stream.read();
  if (bytes === null) return new Uint8Array(0);
  if ((bytes[0] ?? SHARDS) >= SHARDS) throw new WireError('malformed', 'a shard number beyond 7');
  return bytes.subarray(1);
}
