import type { FileEntry } from '../model/file-entry.js';
import type { FolderId } from '../model/identifiers.js';
import { PACKED_CHUNK_BYTES } from './chunk-list.js';
import { encodePayload } from './codec.js';
import { decodeEntry, encodeEntryWithoutChunks } from './entry-codec.js';
import { findEntryFlaw } from './entry-flaw.js';
import { FrameType } from './frame-types.js';
import type { FrameOf } from './frames.js';
import { type EncodedEntry, encodeIndexEntries } from './index-codec.js';
import { Limits } from './limits.js';

export interface EncodedFrame {
  readonly frameType: number;
  readonly payload: Uint8Array;
  /** Once this frame is out, all entries up to here are; undefined as long as none of these is complete. */
  readonly upToSequence: number | undefined;
}

/** Sequence number and heads of an entry in its frame, at most. */
const BYTES_PER_ITEM = 16;
const FRAME_OVERHEAD_BYTES = 128;
const MAX_INLINE_BYTES = Limits.chunksInEntry * PACKED_CHUNK_BYTES;

/**
 * Frames that carry these entries (ascending, as the index stores them): at most 2,000 and 4 MiB in one, long chunk lists
 * ahead of their entry in parts. One frame at a time is built, when it is asked for.
 */
export function* batchEntries(folder: FolderId, entries: Iterable<EncodedEntry>): Generator<EncodedFrame> {
  let batch: EncodedEntry[] = [];
  let batchBytes = FRAME_OVERHEAD_BYTES;
  let upToSequence: number | undefined;
  const flush = (): EncodedFrame => {
    upToSequence = batch[batch.length - 1]?.sequence ?? upToSequence;
    const payload = encodeIndexEntries(folder, batch);
    batch = [];
    batchBytes = FRAME_OVERHEAD_BYTES;
    return { frameType: FrameType.indexEntries, payload, upToSequence };
  };
  for (const { sequence, bytes } of entries) {
    let item = bytes;
    if (bytes.length > MAX_INLINE_BYTES) {
      const entry = decodeEntry(bytes);
      if (batch.length > 0) yield flush();
      for (const part of chunkListParts(folder, entry)) yield { ...encodePayload(part), upToSequence };
      item = encodeEntryWithoutChunks(entry);
    }
    const itemBytes = item.length + BYTES_PER_ITEM;
    const isFull = batch.length === Limits.entriesPerFrame || batchBytes + itemBytes > Limits.indexFrameBytes;
    if (isFull) yield flush();
    batch.push({ sequence, bytes: item });
    batchBytes += itemBytes;
  }
  if (batch.length > 0) yield flush();
}

function* chunkListParts(folder: FolderId, entry: FileEntry): Generator<FrameOf<'chunkListPart'>> {
  const { content } = entry.version;
  if (content.type !== 'file') return;
  for (let offset = 0; offset < content.chunks.length; offset += Limits.chunksPerListPart) {
    const chunks = content.chunks.slice(offset, offset + Limits.chunksPerListPart);
    yield { type: 'chunkListPart', folder, path: entry.path, offset, chunks };
  }
}

/** Why this entry may not be sent, as a sentence for a Problem; undefined when it may. */
export function findEntryLimit(entry: FileEntry): string | undefined {
  const flaw = findEntryFlaw(entry);
  return flaw === undefined ? undefined : `Not sent to other devices: ${flaw.text}.`;
}
