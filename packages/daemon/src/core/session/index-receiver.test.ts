import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChunkRef } from '../model/file-entry.js';
import type { FolderId, IndexId } from '../model/identifiers.js';
import { asPath, entryOf, hashOf } from '../testing/entries.js';
import { batchEntries } from '../wire/batching.js';
import { decodePayload, encodeEntry, WireError } from '../wire/codec.js';
import type { Frame, SequencedEntry } from '../wire/frames.js';
import { Limits } from '../wire/limits.js';
import { IndexReceiver } from './index-receiver.js';

const folder = 'folder' as FolderId;
const otherFolder = 'other' as FolderId;
const indexId = '1111111111111111' as IndexId;
const otherIndexId = '2222222222222222' as IndexId;

const start = (afterSequence: number): Frame => ({ type: 'indexStart', folder, indexId, afterSequence });
const end = (upToSequence: number): Frame => ({ type: 'indexEnd', folder, upToSequence });
const entriesFrame = (...entries: SequencedEntry[]): Frame => ({ type: 'indexEntries', folder, entries });
const part = (path: string, offset: number, chunks: readonly ChunkRef[]): Frame => ({
  type: 'chunkListPart',
  folder,
  path: asPath(path),
  offset,
  chunks,
});

function smallEntry(sequence: number, path = `file-${sequence}`): SequencedEntry {
  return {
    sequence,
    entry: entryOf(path, { content: { type: 'directory' }, vector: { a: sequence }, at: 1 }),
  };
}

function chunksOf(count: number): ChunkRef[] {
  return Array.from({ length: count }, (_, n) => ({ hash: hashOf(`chunk ${n}`), lengthBytes: 10 }));
}

/** A file whose chunks go ahead. */
function largeEntry(sequence: number, path: string, chunks: readonly ChunkRef[]): SequencedEntry {
  const content = { type: 'file', sizeBytes: 10 * chunks.length, hash: hashOf(path), chunks } as const;
  return { sequence, entry: entryOf(path, { content, vector: { a: sequence }, at: 1 }) };
}

function withoutChunks({ sequence, entry }: SequencedEntry): SequencedEntry {
  const { content } = entry.version;
  if (content.type !== 'file') throw new Error('a file is meant');
  const bare = { ...entry, version: { ...entry.version, content: { ...content, chunks: [] } } };
  return { sequence, entry: bare, chunksInParts: content.chunks.length };
}

function started(afterSequence = 0): IndexReceiver {
  const receiver = new IndexReceiver({ folder, indexId, afterSequence });
  receiver.handle(start(afterSequence));
  return receiver;
}

describe('IndexReceiver', () => {
  it('hands on every entry that was sent, however it was cut into frames and parts', () => {
    const item = fc.record({
      gap: fc.integer({ min: 1, max: 5 }),
      chunkCount: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constantFrom(Limits.chunksInEntry + 100, Limits.chunksPerListPart + 1) },
      ),
      endsAfter: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 12 }), fc.nat(1_000), (items, afterSequence) => {
        const receiver = started(afterSequence);
        const sent: SequencedEntry[] = [];
        const got: SequencedEntry[] = [];
        let batch: SequencedEntry[] = [];
        let sequence = afterSequence;
        const flush = () => {
          const encoded = batch.map((each) => ({ sequence: each.sequence, bytes: encodeEntry(each.entry) }));
          batch = [];
          for (const { frameType, payload } of batchEntries(folder, encoded)) {
            const frame = decodePayload(frameType, payload);
            if (frame !== undefined) got.push(...receiver.handle(frame).entries);
          }
          expect(receiver.handle(end(sequence)).endedAt).toBe(sequence);
        };
        for (const { gap, chunkCount, endsAfter } of items) {
          sequence += gap;
          const name = `file-${sequence}`;
          const made =
            chunkCount > 0 ? largeEntry(sequence, name, chunksOf(chunkCount)) : smallEntry(sequence);
          sent.push(made);
          batch.push(made);
          if (endsAfter) flush();
        }
        sequence += 3;
        flush();
        expect(got).toEqual(sent);
      }),
      { numRuns: 5 },
    );
  });

  it('throws nothing but WireError, and hands on ascending sequences only, whatever comes', () => {
    const sequence = fc.integer({ min: 0, max: 12 });
    const chunkList = chunksOf(3);
    const frame: fc.Arbitrary<Frame> = fc.oneof(
      sequence.map(start),
      sequence.map(end),
      fc.array(sequence, { maxLength: 3 }).map((all) => entriesFrame(...all.map((n) => smallEntry(n)))),
      sequence.map((n) => entriesFrame(withoutChunks(largeEntry(n, 'large', chunkList)))),
      fc.nat(3).map((n) => part('large', n, chunkList.slice(n))),
      fc.constant<Frame>({ type: 'ping', nonce: 1 }),
      fc.constant<Frame>({ type: 'indexEnd', folder: otherFolder, upToSequence: 3 }),
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
        const receiver = new IndexReceiver({ folder, indexId, afterSequence: 0 });
        let last = 0;
        for (const each of [start(0), ...frames]) {
          try {
            const { entries, endedAt } = receiver.handle(each);
            for (const got of entries) {
              expect(got.sequence).toBeGreaterThan(last);
              last = got.sequence;
              expect(got.chunksInParts).toBeUndefined();
              const { content } = got.entry.version;
              if (content.type === 'file') expect(content.chunks).toEqual(chunkList);
            }
            if (endedAt !== undefined) {
              expect(endedAt).toBeGreaterThanOrEqual(last);
              last = endedAt;
            }
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
            return;
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('goes on after a move to another stream, from the end that was told on the old one', () => {
    const receiver = started(4);
    receiver.handle(entriesFrame(smallEntry(5)));
    receiver.handle(end(9));
    receiver.handle(start(9));
    expect(receiver.handle(entriesFrame(smallEntry(10))).entries).toHaveLength(1);
  });

  const chunks = chunksOf(4);
  const large = withoutChunks(largeEntry(1, 'large', chunks));
  const violations: Record<string, readonly Frame[]> = {
    'entries before the start': [entriesFrame(smallEntry(1))],
    'an end before the start': [end(1)],
    'a chunk list before the start': [part('large', 0, chunks)],
    'the start of another index': [{ type: 'indexStart', folder, indexId: otherIndexId, afterSequence: 0 }],
    'another sequence than agreed': [start(1)],
    'another folder': [start(0), { type: 'indexEntries', folder: otherFolder, entries: [] }],
    'a frame of another kind': [start(0), { type: 'ping', nonce: 1 }],
    'the same sequence twice': [start(0), entriesFrame(smallEntry(1), smallEntry(1))],
    'a descending sequence': [start(0), entriesFrame(smallEntry(2)), entriesFrame(smallEntry(1))],
    'a sequence up to which all had come': [start(0), end(5), entriesFrame(smallEntry(5))],
    'an end before the last entry': [start(0), entriesFrame(smallEntry(5)), end(4)],
    'a second start in the middle': [start(0), entriesFrame(smallEntry(1)), start(1)],
    'a second start with a gap': [start(0), entriesFrame(smallEntry(1)), end(1), start(2)],
    'a list that does not start at its start': [start(0), part('large', 1, chunks.slice(1))],
    'a list with a gap': [start(0), part('large', 0, chunks.slice(0, 1)), part('large', 2, chunks.slice(2))],
    'an empty part': [start(0), part('large', 0, [])],
    'parts of two lists': [start(0), part('large', 0, chunks.slice(0, 2)), part('other', 2, chunks.slice(2))],
    'an end instead of the entry': [start(0), part('large', 0, chunks), end(1)],
    'another entry first': [start(0), part('large', 0, chunks), entriesFrame(smallEntry(1))],
    'an entry of another path': [
      start(0),
      part('large', 0, chunks),
      entriesFrame(withoutChunks(largeEntry(1, 'other', chunks))),
    ],
    'fewer chunks than told': [start(0), part('large', 0, chunks.slice(0, 3)), entriesFrame(large)],
    'an entry whose list did not come': [start(0), entriesFrame(large)],
    'the list of one entry for two': [
      start(0),
      part('large', 0, chunks),
      entriesFrame(large, { ...large, sequence: 2 }),
    ],
    'chunks that do not make up the file': [
      start(0),
      part('large', 0, [...chunks.slice(1), { hash: hashOf('longer'), lengthBytes: 11 }]),
      entriesFrame(large),
    ],
  };

  it.each(Object.entries(violations))('refuses %s', (_, frames) => {
    const receiver = new IndexReceiver({ folder, indexId, afterSequence: 0 });
    for (const frame of frames.slice(0, -1)) receiver.handle(frame);
    const last = frames.at(-1);
    expect(() => last && receiver.handle(last)).toThrow(WireError);
  });

  it('refuses a chunk list beyond the limit of a file before keeping more of it', () => {
    const receiver = started();
    const many = new Array<ChunkRef>(Limits.chunksPerListPart).fill({ hash: hashOf('x'), lengthBytes: 1 });
    let offset = 0;
    for (; offset + many.length <= Limits.chunksPerFile; offset += many.length) {
      receiver.handle(part('large', offset, many));
    }
    const beyond = () => receiver.handle(part('large', offset, many));
    expect(beyond).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
  });
});
