import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChunkRef } from '../model/file-entry.js';
import type { FolderId, IndexId } from '../model/identifiers.js';
import { asPath, entryOf, hashOf } from '../testing/entries.js';
import { batchEntries } from '../wire/batching.js';
import { decodePayload, encodeEntry, WireError } from '../wire/codec.js';
import type { Frame, SequencedEntry } from '../wire/frames.js';
import { Limits } from '../wire/limits.js';
import { ChunkPartsBudget } from './chunk-parts.js';
import { IndexReceiver } from './index-receiver.js';

const folder = 'folder' as FolderId;
const otherFolder = 'other' as FolderId;
const indexId = '1111111111111111' as IndexId;
const otherIndexId = '2222222222222222' as IndexId;

/** Streams, by number. */
const [MAIN, OTHER] = [3, 7];

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
  receiver.handle(start(afterSequence), MAIN);
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
            if (frame !== undefined) got.push(...receiver.handle(frame, MAIN).entries);
          }
          expect(receiver.handle(end(sequence), MAIN).endedAt).toBe(sequence);
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
            const { entries, endedAt } = receiver.handle(each, MAIN);
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
    receiver.handle(entriesFrame(smallEntry(5)), MAIN);
    receiver.handle(end(9), MAIN);
    receiver.handle(start(9), OTHER);
    expect(receiver.handle(entriesFrame(smallEntry(10)), OTHER).entries).toHaveLength(1);
    expect(() => receiver.handle(entriesFrame(smallEntry(11)), MAIN)).toThrow(WireError);
  });

  it('holds the start of a move that overtakes the end on the old stream, and nothing else', () => {
    const receiver = started(4);
    expect(receiver.handle(start(9), OTHER)).toEqual({ entries: [], endedAt: undefined, isHeld: true });
    expect(receiver.handle(entriesFrame(smallEntry(5), smallEntry(9)), MAIN).entries).toHaveLength(2);
    expect(receiver.currentStream).toBe(MAIN);
    receiver.handle(end(9), MAIN);
    expect(receiver.currentStream).toBe(OTHER);
    expect(receiver.handle(entriesFrame(smallEntry(10)), OTHER).entries).toHaveLength(1);
  });

  it('holds a move that overtakes even the first start', () => {
    const receiver = new IndexReceiver({ folder, indexId, afterSequence: 0 });
    expect(receiver.handle(start(2), OTHER).isHeld).toBe(true);
    receiver.handle(start(0), MAIN);
    receiver.handle(end(2), MAIN);
    expect(receiver.currentStream).toBe(OTHER);
  });

  it.each([
    ['another to the same place', [[start(9), 8]]],
    ['entries on the new stream', [[entriesFrame(smallEntry(10)), OTHER]]],
    ['entries behind it on the old one', [[entriesFrame(smallEntry(10)), MAIN]]],
    ['an end behind it on the old one', [[end(10), MAIN]]],
    [
      'more on the old one after all',
      [
        [end(9), MAIN],
        [end(9), MAIN],
      ],
    ],
  ] as const)('while a move is held, refuses %s', (_, frames) => {
    const receiver = started(4);
    receiver.handle(start(9), OTHER);
    for (const [frame, stream] of frames.slice(0, -1)) receiver.handle(frame, stream);
    const [frame, stream] = frames.at(-1) ?? [end(0), MAIN];
    expect(() => receiver.handle(frame, stream)).toThrow(WireError);
  });

  it('hands on every entry in order, however often the folder moves and however streams overtake each other', () => {
    const leg = fc.record({ entries: fc.integer({ min: 1, max: 3 }), stream: fc.nat(3) });
    fc.assert(
      fc.property(
        fc.array(leg, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(3), { maxLength: 200 }),
        (legs, order) => {
          // What a sender writes on each of its streams.
          const streams: Frame[][] = [[], [], [], []];
          let sequence = 0;
          let current: number | undefined;
          for (const { entries, stream } of legs) {
            if (stream !== current) streams[stream]?.push(start(sequence));
            current = stream;
            const batch = Array.from({ length: entries }, () => smallEntry(++sequence));
            streams[stream]?.push(entriesFrame(...batch));
            streams[stream]?.push(end(sequence));
          }
          // A receiver reads them in any order, and none of them further while its start is held.
          const receiver = new IndexReceiver({ folder, indexId, afterSequence: 0 });
          const got: number[] = [];
          const readOne = (number: number) => {
            const frame = receiver.isHeld(number) ? undefined : streams[number]?.shift();
            if (frame === undefined) return;
            const { entries, isHeld } = receiver.handle(frame, number);
            expect(receiver.isHeld(number)).toBe(isHeld);
            for (const entry of entries) got.push(entry.sequence);
          };
          for (const number of order) readOne(number);
          for (let i = 0; i < 500; i++) readOne(i % 4);
          expect(got).toEqual(Array.from({ length: sequence }, (__, i) => i + 1));
        },
      ),
      { numRuns: 500 },
    );
  });

  const chunks = chunksOf(4);
  const large = withoutChunks(largeEntry(1, 'large', chunks));
  const violations: Record<string, readonly Frame[]> = {
    'entries before the start': [entriesFrame(smallEntry(1))],
    'an end before the start': [end(1)],
    'a chunk list before the start': [part('large', 0, chunks)],
    'the start of another index': [{ type: 'indexStart', folder, indexId: otherIndexId, afterSequence: 0 }],
    'another sequence than agreed': [start(0), end(1), start(0)],
    'another folder': [start(0), { type: 'indexEntries', folder: otherFolder, entries: [] }],
    'a frame of another kind': [start(0), { type: 'ping', nonce: 1 }],
    'the same sequence twice': [start(0), entriesFrame(smallEntry(1), smallEntry(1))],
    'a descending sequence': [start(0), entriesFrame(smallEntry(2)), entriesFrame(smallEntry(1))],
    'a sequence up to which all had come': [start(0), end(5), entriesFrame(smallEntry(5))],
    'an end before the last entry': [start(0), entriesFrame(smallEntry(5)), end(4)],
    'a second start in the middle': [start(0), entriesFrame(smallEntry(1)), start(1)],
    'entries behind a start that is held': [start(0), end(1), start(2), entriesFrame(smallEntry(3))],
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
    for (const frame of frames.slice(0, -1)) receiver.handle(frame, MAIN);
    const last = frames.at(-1);
    expect(() => last && receiver.handle(last, MAIN)).toThrow(WireError);
  });

  it('refuses a chunk list beyond the limit of a file before keeping more of it', () => {
    const receiver = started();
    const many = new Array<ChunkRef>(Limits.chunksPerListPart).fill({ hash: hashOf('x'), lengthBytes: 1 });
    let offset = 0;
    for (; offset + many.length <= Limits.chunksPerFile; offset += many.length) {
      receiver.handle(part('large', offset, many), MAIN);
    }
    const beyond = () => receiver.handle(part('large', offset, many), MAIN);
    expect(beyond).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
  });

  it('keeps lists without their entry within one budget of all folders of a peer, and gives it back', () => {
    const budget = new ChunkPartsBudget(5);
    const [one, two] = [folder, otherFolder].map(
      (id) => new IndexReceiver({ folder: id, indexId, afterSequence: 0 }, budget),
    );
    const four = chunksOf(4);
    one?.handle(start(0), MAIN);
    one?.handle(part('large', 0, four), MAIN);
    two?.handle({ ...start(0), folder: otherFolder } as Frame, OTHER);
    const more = { ...part('large', 0, chunksOf(2)), folder: otherFolder } as Frame;
    expect(() => two?.handle(more, OTHER)).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    one?.handle(entriesFrame(withoutChunks(largeEntry(1, 'large', four))), MAIN);
    expect(() => two?.handle(more, OTHER)).not.toThrow();
    expect(() => one?.handle(part('another', 0, four), MAIN)).toThrow(WireError);
    two?.stop();
    expect(() => one?.handle(part('another', 0, four), MAIN)).not.toThrow();
  });
});
