import type { ChunkRef, FileEntry } from '../model/file-entry.js';
import type { FolderId, IndexId } from '../model/identifiers.js';
import type { RelativePath } from '../model/relative-path.js';
import { findEntryFlaw } from '../wire/entry-flaw.js';
import type { Frame, FrameOf, SequencedEntry } from '../wire/frames.js';
import { Limits } from '../wire/limits.js';
import { WireError } from '../wire/wire-error.js';

export interface IndexReceiverOptions {
  readonly folder: FolderId;
  /** The sender's index, as it told before. */
  readonly indexId: IndexId;
  /** What both sides agreed on: the first entry comes after it. */
  readonly afterSequence: number;
}

export interface ReceivedIndex {
  /** Whole, in ascending order. */
  readonly entries: readonly SequencedEntry[];
  /** Set when the sender said that everything up to there is out. */
  readonly endedAt: number | undefined;
}

interface ChunkListInParts {
  readonly path: RelativePath;
  readonly chunks: ChunkRef[];
}

/**
 * Reads one folder's entries from a peer in the only order they may come in.
 *
 * 1. IndexStart comes first, names the agreed index, and goes on from where everything was received: from the agreed
 *    sequence, or from the last IndexEnd when the sender moved the folder to another stream.
 * 2. Sequences ascend strictly, beyond every IndexEnd that came.
 * 3. IndexEnd is never before an entry that came.
 * 4. The parts of a chunk list follow each other without a gap, within the limit of a file, and right after them comes
 *    their entry, first in its frame. At most one such list is kept.
 */
export class IndexReceiver {
  /** All up to here was received, or was never to be sent. */
  private position: number;
  /** Everything up to `position` is out: nothing of a frame sequence is open. */
  private isEnded = true;
  private isStarted = false;
  private list: ChunkListInParts | undefined;

  constructor(private readonly options: IndexReceiverOptions) {
    this.position = options.afterSequence;
  }

  /** Throws {@link WireError} when the frame may not come here; nothing of it counts then. */
  handle(frame: Frame): ReceivedIndex {
    switch (frame.type) {
      case 'indexStart':
        this.begin(frame);
        return { entries: [], endedAt: undefined };
      case 'indexEntries':
        return { entries: this.takeEntries(frame), endedAt: undefined };
      case 'chunkListPart':
        this.takePart(frame);
        return { entries: [], endedAt: undefined };
      case 'indexEnd':
        this.end(frame);
        return { entries: [], endedAt: frame.upToSequence };
      default:
        throw malformed('a frame that does not belong on an index stream');
    }
  }

  private begin(frame: FrameOf<'indexStart'>): void {
    this.checkFolder(frame.folder);
    if (frame.indexId !== this.options.indexId)
      throw malformed('IndexStart names another index than was told');
    if (!this.isEnded || this.list !== undefined)
      throw malformed('IndexStart before the IndexEnd of what came');
    if (frame.afterSequence !== this.position) {
      throw malformed('IndexStart goes on from another sequence than was agreed');
    }
    this.isStarted = true;
  }

  private takeEntries(frame: FrameOf<'indexEntries'>): readonly SequencedEntry[] {
    this.checkStarted(frame.folder);
    const { list } = this;
    this.list = undefined;
    const [first] = frame.entries;
    if (list !== undefined && (first?.chunksInParts === undefined || first.entry.path !== list.path)) {
      throw malformed('parts of a chunk list are not followed by their entry');
    }
    const entries: SequencedEntry[] = [];
    for (const item of frame.entries) {
      if (item.sequence <= this.position) throw malformed('sequence numbers do not ascend');
      this.position = item.sequence;
      this.isEnded = false;
      entries.push(
        item.chunksInParts === undefined ? item : complete(item, item === first ? list : undefined),
      );
    }
    return entries;
  }

  private takePart(frame: FrameOf<'chunkListPart'>): void {
    this.checkStarted(frame.folder);
    this.list ??= { path: frame.path, chunks: [] };
    const { path, chunks } = this.list;
    if (frame.path !== path) throw malformed('parts of a chunk list are not followed by their entry');
    if (frame.offset !== chunks.length || frame.chunks.length === 0) {
      throw malformed('parts of a chunk list are out of order');
    }
    if (chunks.length + frame.chunks.length > Limits.chunksPerFile) {
      throw new WireError('limit-exceeded', 'a chunk list is beyond its limit');
    }
    for (const chunk of frame.chunks) chunks.push(chunk);
  }

  private end(frame: FrameOf<'indexEnd'>): void {
    this.checkStarted(frame.folder);
    if (this.list !== undefined) throw malformed('parts of a chunk list are not followed by their entry');
    if (frame.upToSequence < this.position) throw malformed('IndexEnd is before what came');
    this.position = frame.upToSequence;
    this.isEnded = true;
  }

  private checkStarted(folder: FolderId): void {
    this.checkFolder(folder);
    if (!this.isStarted) throw malformed('entries without an IndexStart');
  }

  private checkFolder(folder: FolderId): void {
    if (folder !== this.options.folder) throw malformed('a frame of another folder');
  }
}

function complete(
  { sequence, entry, chunksInParts }: SequencedEntry,
  list: ChunkListInParts | undefined,
): SequencedEntry {
  const { content } = entry.version;
  if (list === undefined || content.type !== 'file' || list.chunks.length !== chunksInParts) {
    throw malformed('an entry without all parts of its chunk list');
  }
  const whole: FileEntry = {
    ...entry,
    version: { ...entry.version, content: { ...content, chunks: list.chunks } },
  };
  const flaw = findEntryFlaw(whole);
  if (flaw !== undefined) throw new WireError(flaw.code, `an entry is refused: ${flaw.text}`);
  return { sequence, entry: whole };
}

function malformed(text: string): WireError {
  return new WireError('malformed', text);
}
