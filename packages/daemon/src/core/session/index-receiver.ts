import type { FolderId, IndexId } from '../model/identifiers.js';
import type { RelativePath } from '../model/relative-path.js';
import { findEntryFlaw } from '../wire/entry-flaw.js';
import type { Frame, FrameOf, SequencedEntry } from '../wire/frames.js';
import { Limits } from '../wire/limits.js';
import { WireError } from '../wire/wire-error.js';
import { ChunkParts, ChunkPartsBudget } from './chunk-parts.js';

export interface ReceivedIndex {
  /** Whole entries, in ascending sequence. */
  readonly entries: readonly SequencedEntry[];
  /** Set by IndexEnd: all entries up to here have come. */
  readonly endedAt: number | undefined;
  /** The folder moves to this stream, and its old stream is not read that far: nothing more of this one, until then. */
  readonly isHeld: boolean;
}

const NOTHING: ReceivedIndex = { entries: [], endedAt: undefined, isHeld: false };
const HELD: ReceivedIndex = { ...NOTHING, isHeld: true };

/** One of the peer's streams, by any number that is its own. */
export type StreamNumber = number;

/**
 * Takes the index frames of one folder from one peer and hands on whole entries. Throws `WireError` for frames out of order.
 *
 * 1. IndexStart comes first, names the index that was asked for, and goes on exactly where this receiver stands.
 * 2. Sequence numbers ascend strictly; IndexEnd is not below the last of them.
 * 3. After IndexEnd(N) either entries after N follow, or IndexStart(after N) when the folder moved to another stream.
 * 4. Parts of one chunk list come in order, and right after them the entry that they belong to.
 * 5. Streams overtake each other: an IndexStart(after N) that comes early is held until IndexEnd(N) has come, one on each
 *    stream. Everything else comes on the stream of the last IndexStart that was not held.
 */
export class IndexReceiver {
  private stream: StreamNumber | undefined;
  /** Starts that wait, by the sequence that they go on after. */
  private readonly held = new Map<number, StreamNumber>();
  private position: number;
  private ended = true;
  private list: { readonly path: RelativePath; readonly chunks: ChunkParts } | undefined;

  constructor(
    private readonly asked: {
      readonly folder: FolderId;
      readonly indexId: IndexId;
      readonly afterSequence: number;
    },
    /** Shared by all folders of one peer. */
    private readonly partsBudget = new ChunkPartsBudget(),
  ) {
    this.position = asked.afterSequence;
  }

  /** Nothing more comes: what was kept for it is given back. */
  stop(): void {
    this.list?.chunks.drop();
    this.list = undefined;
  }

  /** The last sequence that came. */
  get sequence(): number {
    return this.position;
  }

  /** True while the start that came last on this stream waits for what goes before it on another. */
  isHeld(stream: StreamNumber): boolean {
    for (const held of this.held.values()) if (held === stream) return true;
    return false;
  }

  /** The stream that entries come on now. */
  get currentStream(): StreamNumber | undefined {
    return this.stream;
  }

  handle(frame: Frame, stream: StreamNumber): ReceivedIndex {
    if (!('folder' in frame) || frame.folder !== this.asked.folder)
      throw violation('it is of another folder');
    if (frame.type === 'indexStart') return this.begin(frame, stream);
    if (this.stream !== stream) throw violation('it comes before IndexStart');
    switch (frame.type) {
      case 'indexEntries':
        return this.take(frame);
      case 'chunkListPart':
        return this.takePart(frame);
      case 'indexEnd':
        return this.end(frame);
      default:
        throw violation('it does not belong on an index stream');
    }
  }

  private begin({ indexId, afterSequence }: FrameOf<'indexStart'>, stream: StreamNumber): ReceivedIndex {
    if (indexId !== this.asked.indexId) throw violation('it names another index than was announced');
    if (afterSequence < this.position) throw violation('it leaves a gap');
    if (afterSequence === this.position && this.ended && this.list === undefined) {
      this.stream = stream;
      return NOTHING;
    }
    // Back on the stream that is read now is a move too: what the folder sent meanwhile is on another.
    if (stream === this.stream && !(this.ended && this.list === undefined))
      throw violation('it comes before the end of the last');
    if (this.held.has(afterSequence) || this.held.size >= Limits.streamsUni)
      throw violation('it moves to two streams at once');
    this.held.set(afterSequence, stream);
    return HELD;
  }

  private take(frame: FrameOf<'indexEntries'>): ReceivedIndex {
    const entries: SequencedEntry[] = [];
    for (const item of frame.entries) {
      if (item.sequence <= this.position) throw violation('its sequence numbers do not ascend');
      this.position = item.sequence;
      entries.push(this.complete(item));
    }
    this.ended = false;
    this.checkHeld();
    return { entries, endedAt: undefined, isHeld: false };
  }

  private takePart({ path, offset, chunks }: FrameOf<'chunkListPart'>): ReceivedIndex {
    this.list ??= { path, chunks: new ChunkParts(this.partsBudget) };
    if (this.list.path !== path) throw violation('the entry of the last chunk list did not come');
    if (offset !== this.list.chunks.length || chunks.length === 0) throw violation('it leaves a gap');
    this.list.chunks.add(chunks);
    return NOTHING;
  }

  /** Puts the chunk list that came ahead into its entry. */
  private complete(item: SequencedEntry): SequencedEntry {
    const { list } = this;
    if (list === undefined) {
      if (item.chunksInParts !== undefined) throw violation('its chunk list did not come');
      return item;
    }
    const { entry, sequence, chunksInParts } = item;
    const { content } = entry.version;
    const fits = entry.path === list.path && chunksInParts === list.chunks.length;
    if (!fits || content.type !== 'file') throw violation('it does not fit the chunk list that came ahead');
    this.list = undefined;
    const version = { ...entry.version, content: { ...content, chunks: list.chunks.take() } };
    const whole = { ...entry, version };
    const flaw = findEntryFlaw(whole);
    if (flaw !== undefined) throw new WireError(flaw.code, `an entry is refused: ${flaw.text}`);
    return { sequence, entry: whole };
  }

  private end(frame: FrameOf<'indexEnd'>): ReceivedIndex {
    if (this.list !== undefined) throw violation('the entry of the last chunk list did not come');
    if (frame.upToSequence < this.position) throw violation('it ends before its last entry');
    this.position = frame.upToSequence;
    this.ended = true;
    this.checkHeld();
    const next = this.held.get(this.position);
    if (next !== undefined) this.stream = next;
    this.held.delete(this.position);
    return { entries: [], endedAt: this.position, isHeld: false };
  }

  private checkHeld(): void {
    for (const afterSequence of this.held.keys())
      if (this.position > afterSequence) throw violation('it goes on after the folder moved');
  }
}

function violation(what: string): WireError {
  return new WireError('malformed', `an index frame is out of order: ${what}`);
}
