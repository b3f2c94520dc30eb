import fc from 'fast-check';
import type { ChunkRef } from '../../packages/daemon/src/core/model/file-entry.js';
import type { FolderId, IndexId } from '../../packages/daemon/src/core/model/identifiers.js';
import { Handshake } from '../../packages/daemon/src/core/session/handshake.js';
import { IndexReceiver } from '../../packages/daemon/src/core/session/index-receiver.js';
import { asPath, directory, entryOf, hashOf } from '../../packages/daemon/src/core/testing/entries.js';
import { frames } from '../../packages/daemon/src/core/testing/frames.js';
import { WireError } from '../../packages/daemon/src/core/wire/codec.js';
import type { Frame, SequencedEntry } from '../../packages/daemon/src/core/wire/frames.js';
import { ByteSource } from './byte-source.js';
import { check, fuzzTarget } from './fuzz-target.js';

const FOLDER = 'photos' as FolderId;
const OTHER_FOLDER = 'other' as FolderId;
const INDEX = '0123456789abcdef' as IndexId;
const OTHER_INDEX = 'ffffffffffffffff' as IndexId;
const AFTER = 5;
const STREAMS: readonly number[] = [0, 1, 2];

interface ToldList {
  readonly path: string;
  readonly chunks: number;
  readonly sizeBytes: number;
}

/** What the index streams of a folder have said so far, as a receiver that keeps everything would know it. */
interface Told {
  position: number;
  /** The stream that is read. */
  stream: number | undefined;
  /** Streams that wait, by the sequence that they go on after. */
  held: Map<number, number>;
  hasEnded: boolean;
  list: ToldList | undefined;
}

/** Frames of an index stream, most of them as they should come, one after the other. */
function buildIndexFrame(source: ByteSource, told: Told): Frame {
  const folder = source.oneIn(40) ? OTHER_FOLDER : FOLDER;
  const around = told.position + source.pick([1, 1, 1, 1, 1, 1, 2, 2, 3, 1_000, 0, -1]);
  if (source.oneIn(30)) return source.pick(frames);
  switch (source.below(told.hasEnded || source.oneIn(12) ? 8 : 7)) {
    case 7: {
      const afterSequence = source.oneIn(3) ? Math.max(0, around) : told.position;
      return { type: 'indexStart', folder, indexId: source.oneIn(8) ? OTHER_INDEX : INDEX, afterSequence };
    }
    case 0:
    case 1:
    case 2:
    case 3:
      return { type: 'indexEntries', folder, entries: buildEntries(source, told, around) };
    case 4:
    case 5: {
      const path =
        told.list !== undefined && !source.oneIn(8) ? told.list.path : source.pick(['big', 'else']);
      const offset = source.oneIn(8) ? source.byte() : (told.list?.chunks ?? 0);
      return { type: 'chunkListPart', folder, path: asPath(path), offset, chunks: chunksOf(source.below(4)) };
    }
    default:
      return { type: 'indexEnd', folder, upToSequence: Math.max(0, around - source.below(2)) };
  }
}

function buildEntries(source: ByteSource, told: Told, from: number): SequencedEntry[] {
  let sequence = Math.max(0, from);
  return Array.from({ length: source.below(4) }, (_, i) => {
    const entry = { sequence, entry: entryOf('d', { content: directory, vector: { a: 1 }, at: 1 }) };
    sequence += source.oneIn(12) ? 0 : 1 + source.below(2);
    const isInParts = told.list !== undefined && (i === 0) !== source.oneIn(16);
    return told.list !== undefined && isInParts ? entryInParts(source, told.list, entry.sequence) : entry;
  });
}

function entryInParts(source: ByteSource, list: ToldList, sequence: number): SequencedEntry {
  const chunksInParts = list.chunks + (source.oneIn(8) ? 1 : 0);
  const sizeBytes = list.sizeBytes + (source.oneIn(8) ? 1 : 0);
  const hash = list.chunks === 1 ? hashOf('c') : hashOf('whole');
  const content = { type: 'file' as const, sizeBytes, hash, chunks: [] };
  return { sequence, entry: entryOf(list.path, { content, vector: { a: 1 }, at: 1 }), chunksInParts };
}

function chunksOf(count: number): ChunkRef[] {
  return Array.from({ length: count }, () => ({ hash: hashOf('c'), lengthBytes: 10 }));
}

/** Follows what the frame tells; it is one that may come. */
function follow(frame: Frame, stream: number, told: Told): void {
  if (frame.type === 'indexStart') {
    if (goesOn(frame, told)) told.stream = stream;
    else told.held.set(frame.afterSequence, stream);
  } else if (frame.type === 'indexEnd') {
    told.position = frame.upToSequence;
    told.hasEnded = true;
    told.stream = told.held.get(told.position) ?? told.stream;
    told.held.delete(told.position);
  } else if (frame.type === 'indexEntries') {
    told.position = frame.entries.at(-1)?.sequence ?? told.position;
    if (frame.entries.length > 0) told.list = undefined;
    told.hasEnded = false;
  } else if (frame.type === 'chunkListPart') {
    const { path, chunks } = frame;
    const sizeBytes = chunks.reduce((sum, { lengthBytes }) => sum + lengthBytes, told.list?.sizeBytes ?? 0);
    told.list = { path, chunks: (told.list?.chunks ?? 0) + chunks.length, sizeBytes };
  }
}

function goesOn(frame: Frame & { type: 'indexStart' }, { position, hasEnded, list }: Told): boolean {
  return frame.afterSequence === position && hasEnded && list === undefined;
}

/** Whether a frame is one that may come next. Where this and the receiver differ, one of them is wrong. */
function mayCome(frame: Frame, stream: number, told: Told): boolean {
  if (!('folder' in frame) || frame.folder !== FOLDER) return false;
  if (frame.type === 'indexStart') return mayStart(frame, stream, told);
  if (stream !== told.stream) return false;
  const limit = Math.min(...told.held.keys());
  switch (frame.type) {
    case 'indexEnd':
      return told.list === undefined && frame.upToSequence >= told.position && frame.upToSequence <= limit;
    case 'chunkListPart': {
      const fits = told.list === undefined || told.list.path === frame.path;
      return fits && frame.chunks.length > 0 && frame.offset === (told.list?.chunks ?? 0);
    }
    case 'indexEntries': {
      const isLow = (frame.entries.at(-1)?.sequence ?? 0) <= limit;
      return isLow && ascends(frame.entries, told) && fitsList(frame.entries, told);
    }
    default:
      return false;
  }
}

/** At once, or held for later: on another stream than is read, unless that one has ended. */
function mayStart(frame: Frame & { type: 'indexStart' }, stream: number, told: Told): boolean {
  if (frame.indexId !== INDEX || frame.afterSequence < told.position) return false;
  if (goesOn(frame, told)) return true;
  const isBusy = stream === told.stream && !(told.hasEnded && told.list === undefined);
  return !isBusy && !told.held.has(frame.afterSequence);
}

function ascends(entries: readonly SequencedEntry[], { position }: Told): boolean {
  let last = position;
  return entries.every(({ sequence }) => {
    const isHigher = sequence > last;
    last = sequence;
    return isHigher;
  });
}

function fitsList(entries: readonly SequencedEntry[], { list }: Told): boolean {
  return entries.every(({ entry, chunksInParts }, i) => {
    if (i > 0 || list === undefined) return chunksInParts === undefined;
    const { content } = entry.version;
    const isWhole = content.type === 'file' && content.sizeBytes === list.sizeBytes;
    return isWhole && entry.path === list.path && chunksInParts === list.chunks;
  });
}

function receiveAll(entropy: Uint8Array): void {
  const source = new ByteSource(entropy);
  const receiver = new IndexReceiver({ folder: FOLDER, indexId: INDEX, afterSequence: AFTER });
  const told: Told = {
    position: AFTER,
    stream: undefined,
    held: new Map(),
    hasEnded: true,
    list: undefined,
  };
  const start: Frame = { type: 'indexStart', folder: FOLDER, indexId: INDEX, afterSequence: AFTER };
  let next: Frame = source.oneIn(8) ? buildIndexFrame(source, told) : start;
  for (;;) {
    // A stream that is held is not read on.
    const readable = STREAMS.filter((candidate) => ![...told.held.values()].includes(candidate));
    const current = told.stream;
    const isElsewhere = current === undefined || next.type === 'indexStart' || source.oneIn(12);
    const stream = isElsewhere ? source.pick(readable) : current;
    const isFine = mayCome(next, stream, told);
    const before = receiver.sequence;
    try {
      const { entries, endedAt } = receiver.handle(next, stream);
      check(isFine, `a ${next.type} frame was taken that may not come here`);
      check(ascends(entries, { ...told, position: before }), 'entries do not ascend');
      check(endedAt === undefined || endedAt >= before, 'it ended before where it stood');
    } catch (error) {
      check(error instanceof WireError, `the receiver threw ${String(error)}`);
      check(!isFine, `a ${next.type} frame was refused that may come here: ${error.message}`);
      return;
    }
    follow(next, stream, told);
    check(receiver.sequence === told.position, 'it stands elsewhere');
    if (source.isEmpty || told.held.size === STREAMS.length) return;
    next = buildIndexFrame(source, told);
  }
}

export const indexFrames = fuzzTarget<Uint8Array>({
  name: 'index-receiver',
  weight: 2,
  input: fc.uint8Array({ maxLength: 200, size: 'max' }),
  run: receiveAll,
});

/** Frames of all types in any order: a handshake ends once, as its invariants say, and never throws. */
function shakeHands({ role, order }: { role: 'dialler' | 'acceptor'; order: readonly number[] }): void {
  const hello = { bootId: 'b', name: 'n', software: 's', features: ['f'] };
  const handshake = new Handshake({ role, hello, ownFolders: () => [], sessionId: 's' }, 0);
  const actions = [...handshake.start()];
  let now = 0;
  for (const place of order) {
    now += place % 7 === 0 ? 3_000 : 1;
    const wasDone = handshake.isDone;
    const frame = frames[place % frames.length];
    const answer = frame === undefined ? handshake.tick(now) : handshake.handle(frame, now);
    check(!wasDone || answer.length === 0, 'it went on after its end');
    actions.push(...answer);
  }
  actions.push(...handshake.tick(10_000));
  const ends = actions.filter((action) => action.do !== 'send');
  check(handshake.isDone, 'it did not end by its deadline');
  check(ends.length === 1, `it ended ${ends.length} times`);
}

export const handshakes = fuzzTarget<{ role: 'dialler' | 'acceptor'; order: number[] }>({
  name: 'handshake',
  weight: 1,
  input: fc.record({
    role: fc.constantFrom('dialler' as const, 'acceptor' as const),
    // The frames that a handshake is made of come first in the list.
    order: fc.array(fc.oneof(fc.nat(6), fc.nat(255)), { maxLength: 8 }),
  }),
  run: shakeHands,
});
