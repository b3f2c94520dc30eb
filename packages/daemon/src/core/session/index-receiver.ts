import type { ChunkRef } from '../model/file-entry.js';
import type { FolderId, IndexId } from '../model/identifiers.js';
import type { RelativePath } from '../model/relative-path.js';
import { findEntryFlaw } from '../wire/entry-flaw.js';
import type { Frame, FrameOf, SequencedEntry } from '../wire/frames.js';
import { Limits } from '../wire/limits.js';
import { WireError } from '../wire/wire-error.js';

export interface ReceivedIndex {
  /** Whole entries, in ascending sequence. */
  readonly entries: readonly SequencedEntry[];
  /** Set by IndexEnd: all entries up to here have come. */
  readonly endedAt: number | undefined;
}

const NOTHING: ReceivedIndex = { entries: [], endedAt: undefined };

/**
 * Takes the index frames of one folder from one peer and hands on whole entries. Throws `WireError` for frames out of order.
 *
 * 1. IndexStart comes first, names the index that was asked for, and goes on exactly where this receiver stands.
 * 2. Sequence numbers ascend strictly; IndexEnd is not below the last of them.
 * 3. After IndexEnd(N) either entries after N follow, or IndexStart(after N) when the folder moved to another stream.
 * 4. Parts of one chunk list come in order, and right after them the entry that they belong to.
 */
export class IndexReceiver {
  private started = false;
  private position: number;
  private ended = true;
  private list: { readonly path: RelativePath; readonly chunks: ChunkRef[] } | undefined;

  constructor(
    private readonly asked: {
      readonly folder: FolderId;
      readonly indexId: IndexId;
      readonly afterSequence: number;
    },
  ) {
    this.position = asked.afterSequence;
  }

  /** The last sequence that came. */
  get sequence(): number {
    return this.position;
  }

  handle(frame: Frame): ReceivedIndex {
    if (!('folder' in frame) || frame.folder !== this.asked.folder)
      throw violation('it is of another folder');
    switch (frame.type) {
      case 'indexStart':
        return this.begin(frame);
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

  private begin(frame: FrameOf<'indexStart'>): ReceivedIndex {
    if (!this.ended || this.list !== undefined) throw violation('it comes before the end of the last');
    if (frame.indexId !== this.asked.indexId) throw violation('it names another index than was announced');
    if (frame.afterSequence !== this.position) throw violation('it leaves a gap');
    this.started = true;
    return NOTHING;
  }

  private take(frame: FrameOf<'indexEntries'>): ReceivedIndex {
    this.requireStart();
    const entries: SequencedEntry[] = [];
    for (const item of frame.entries) {
      if (item.sequence <= this.position) throw violation('its sequence numbers do not ascend');
      this.position = item.sequence;
      entries.push(this.complete(item));
    }
    this.ended = false;
    return { entries, endedAt: undefined };
  }

  private takePart({ path, offset, chunks }: FrameOf<'chunkListPart'>): ReceivedIndex {
    this.requireStart();
    this.list ??= { path, chunks: [] };
    if (this.list.path !== path) throw violation('the entry of the last chunk list did not come');
    if (offset !== this.list.chunks.length || chunks.length === 0) throw violation('it leaves a gap');
    if (offset + chunks.length > Limits.chunksPerFile) {
      throw new WireError('limit-exceeded', 'a file has too many chunks');
    }
    for (const chunk of chunks) this.list.chunks.push(chunk);
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
    const version = { ...entry.version, content: { ...content, chunks: list.chunks } };
    const whole = { ...entry, version };
    const flaw = findEntryFlaw(whole);
    if (flaw !== undefined) throw new WireError(flaw.code, `an entry is refused: ${flaw.text}`);
    return { sequence, entry: whole };
  }

  private end(frame: FrameOf<'indexEnd'>): ReceivedIndex {
    this.requireStart();
    if (this.list !== undefined) throw violation('the entry of the last chunk list did not come');
    if (frame.upToSequence < this.position) throw violation('it ends before its last entry');
    this.position = frame.upToSequence;
    this.ended = true;
    return { entries: [], endedAt: this.position };
  }

  private requireStart(): void {
    if (!this.started) throw violation('it comes before IndexStart');
  }
}

function violation(what: string): WireError {
  return new WireError('malformed', `an index frame is out of order: ${what}`);
}
