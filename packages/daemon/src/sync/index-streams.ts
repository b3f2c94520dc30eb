import { type Connection, TransportError } from '@landropic/quic';
import type { FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { HotFolders } from '../core/session/hot-folders.js';
import { ShardAssignment } from '../core/session/shard-assignment.js';
import { StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import { FrameWriter } from './frame-writer.js';

export interface IndexStreamsDependencies {
  readonly connection: Pick<Connection, 'openUni'>;
  readonly clock: Clock;
  /** Sends on the control stream: where the folders travel is told, as advice. */
  readonly send: (frame: Frame) => void;
  /** Called for every stream that was opened, before anything else goes out on it. */
  readonly onOpened: (writer: FrameWriter) => void;
  /** A folder that has been quiet may move: {@link IndexStreams.streamOf} is to be called for it. */
  readonly onDue: (folder: FolderId) => void;
  readonly onFailure: (error: unknown) => void;
}

export const INDEX_URGENCY = 2;
/** How often a folder that is hot is looked at while nothing of it goes out. */
const CHECK_MS = 5_000;

/**
 * The index streams of one side of a session: eight shards, opened when they are first needed, and one of its own for
 * each folder that is hot. A folder moves only when {@link streamOf} is called, between two frames of it.
 */
export class IndexStreams {
  private readonly shards = new Map<number, Promise<FrameWriter>>();
  private readonly assignment = new ShardAssignment();
  private readonly policy = new HotFolders();
  private readonly hot = new Map<FolderId, Promise<FrameWriter>>();
  private cancelCheck: (() => void) | undefined;
  /** The peer allows no more streams. */
  private mayPromote = true;
  private stopped = false;

  constructor(private readonly deps: IndexStreamsDependencies) {}

  /** Folders with a stream of their own. */
  get hotCount(): number {
    return this.hot.size;
  }

  open(folder: FolderId): void {
    this.deps.send({ type: 'shardAssignment', shards: [{ folder, shard: this.assignment.assign(folder) }] });
  }

  /** The folder is not exchanged any more. Whoever pushed it writes nothing more. */
  close(folder: FolderId): void {
    this.assignment.release(folder);
    this.policy.forget(folder);
    this.giveBack(folder);
  }

  stop(): void {
    this.stopped = true;
    this.cancelCheck?.();
  }

  /** So many entries of this folder that were not there when it was opened went out. */
  updated(folder: FolderId, entries: number): void {
    this.policy.updated(folder, entries, this.deps.clock.monotonicMs());
  }

  /** The stream for what comes next of this folder. */
  async streamOf(folder: FolderId): Promise<FrameWriter> {
    this.move(folder);
    const own = this.hot.get(folder);
    if (own === undefined) return this.shardOf(folder);
    try {
      return await own;
    } catch (error) {
      if (!(error instanceof TransportError) || error.code !== 'aborted') throw error;
      // The peer allows no more streams: all goes on as before.
      this.mayPromote = false;
      this.policy.forget(folder);
      this.hot.delete(folder);
      return this.shardOf(folder);
    }
  }

  private move(folder: FolderId): void {
    if (this.stopped || !this.mayPromote) return;
    const move = this.policy.decide(folder, this.deps.clock.monotonicMs());
    if (move === 'demote') {
      this.deps.send({ type: 'folderDemoted', folder, shard: this.assignment.assign(folder) });
      this.giveBack(folder);
    } else if (move === 'promote') {
      this.deps.send({ type: 'folderPromoted', folder });
      this.hot.set(folder, this.openStream(StreamKind.hotFolder, []));
      this.checkLater();
    }
  }

  private giveBack(folder: FolderId): void {
    const own = this.hot.get(folder);
    this.hot.delete(folder);
    own?.then((writer) => writer.finish()).catch((error: unknown) => this.failed(error));
  }

  /** A folder that has become quiet gives its stream back though nothing of it goes out. */
  private checkLater(): void {
    if (this.cancelCheck !== undefined || this.stopped) return;
    this.cancelCheck = this.deps.clock.after(CHECK_MS, () => {
      this.cancelCheck = undefined;
      for (const folder of [...this.hot.keys()]) this.deps.onDue(folder);
      if (this.hot.size > 0) this.checkLater();
    });
  }

  private shardOf(folder: FolderId): Promise<FrameWriter> {
    const shard = this.assignment.assign(folder);
    const known = this.shards.get(shard);
    if (known !== undefined) return known;
    const opened = this.openStream(StreamKind.indexShard, [shard]);
    this.shards.set(shard, opened);
    return opened;
  }

  private openStream(
    kind: typeof StreamKind.indexShard | typeof StreamKind.hotFolder,
    head: readonly number[],
  ): Promise<FrameWriter> {
    return FrameWriter.open(this.deps, { kind, urgency: INDEX_URGENCY, head }).then((writer) => {
      this.deps.onOpened(writer);
      return writer;
    });
  }

  private failed(error: unknown): void {
    if (!this.stopped) this.deps.onFailure(error);
  }
}
