import type { FolderId } from '../model/identifiers.js';
import { packChunks, unpackChunks } from './chunk-list.js';
import { decodeSentEntry, encodeEntry } from './entry-codec.js';
import { asBytes, asList, asUint, encodeFields, malformed } from './fields.js';
import { type FrameCodecs, frameCodec } from './frame-codec.js';
import type { FrameOf, SequencedEntry } from './frames.js';
import { readFolder, readIndexId, readPath, writeIndexId } from './identifier-fields.js';
import { Limits } from './limits.js';
import { WireError } from './wire-error.js';

/** An entry as the index stores it, or as {@link encodeEntry} made it. */
export interface EncodedEntry {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** The payload of an IndexEntries frame from entries that are encoded already; the caller keeps to the limits. */
export function encodeIndexEntries(folder: FolderId, items: readonly EncodedEntry[]): Uint8Array {
  const flat: unknown[] = [];
  for (const { sequence, bytes } of items) flat.push(sequence, bytes);
  return encodeFields([
    [0, folder],
    [1, flat],
  ]);
}

const indexEntries = frameCodec<FrameOf<'indexEntries'>>({
  write: (frame) => {
    const flat: unknown[] = [];
    for (const { sequence, entry } of frame.entries) flat.push(sequence, encodeEntry(entry));
    return [
      [0, frame.folder],
      [1, flat],
    ];
  },
  read: (fields) => {
    const flat = asList(fields.get(1), 'entries', 2 * Limits.entriesPerFrame);
    if (flat.length % 2 !== 0) throw malformed('entries', 'pairs of sequence number and entry');
    const entries: SequencedEntry[] = [];
    for (let i = 0; i < flat.length; i += 2) {
      const sequence = asUint(flat[i], 'sequence');
      const { entry, chunksInParts } = decodeSentEntry(asBytes(flat[i + 1], 'entry', Limits.indexFrameBytes));
      entries.push(chunksInParts === undefined ? { sequence, entry } : { sequence, entry, chunksInParts });
    }
    return { type: 'indexEntries', folder: readFolder(fields.get(0)), entries };
  },
});

const chunkListPart = frameCodec<FrameOf<'chunkListPart'>>({
  write: (frame) => [
    [0, frame.folder],
    [1, frame.path],
    [2, frame.offset],
    [3, packChunks(frame.chunks)],
  ],
  read: (fields) => {
    const offset = asUint(fields.get(2), 'offset', Limits.chunksPerFile);
    const chunks = unpackChunks(fields.get(3), Limits.chunksPerListPart);
    if (offset + chunks.length > Limits.chunksPerFile) {
      throw new WireError('limit-exceeded', 'a chunk list is beyond its limit');
    }
    return {
      type: 'chunkListPart',
      folder: readFolder(fields.get(0)),
      path: readPath(fields.get(1)),
      offset,
      chunks,
    };
  },
});

export const indexCodecs: FrameCodecs<'indexStart' | 'indexEntries' | 'chunkListPart' | 'indexEnd'> = {
  indexStart: frameCodec<FrameOf<'indexStart'>>({
    write: (frame) => [
      [0, frame.folder],
      [1, writeIndexId(frame.indexId)],
      [2, frame.afterSequence],
    ],
    read: (fields) => ({
      type: 'indexStart',
      folder: readFolder(fields.get(0)),
      indexId: readIndexId(fields.get(1)),
      afterSequence: asUint(fields.get(2), 'after sequence'),
    }),
  }),
  indexEntries,
  chunkListPart,
  indexEnd: frameCodec<FrameOf<'indexEnd'>>({
    write: (frame) => [
      [0, frame.folder],
      [1, frame.upToSequence],
    ],
    read: (fields) => ({
      type: 'indexEnd',
      folder: readFolder(fields.get(0)),
      upToSequence: asUint(fields.get(1), 'sequence'),
    }),
  }),
};
