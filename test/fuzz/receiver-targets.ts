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

/** What an index stream has said so far, as a receiver that keeps everything would know it. */
interface Told {
  position: number;
  isStarted: boolean;
  hasEnded: boolean;
  list: { path: string; chunks: number } | undefined;
}

/** Frames of an index stream, most of them as they should come, one after the other. */
function buildIndexFrame(source: ByteSource, told: Told): Frame {
  const folder = source.oneIn(40) ? OTHER_FOLDER : FOLDER;
  const around = told.position + source.pick([1, 1, 1, 2, 0, -1, 1_000]);
  switch (source.below(8)) {
    case 0: {
      const afterSequence = source.oneIn(6) ? Math.max(0, around) : told.position;
      return { type: 'indexStart', folder, indexId: source.oneIn(8) ? OTHER_INDEX : INDEX, afterSequence };
    }
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
    case 6:
      return { type: 'indexEnd', folder, upToSequence: Math.max(0, around - source.below(2)) };
    default:
      return source.pick(frames);
  }
}

function buildEntries(source: ByteSource, told: Told, from: number): SequencedEntry[] {
  let sequence = Math.max(0, from);
  return Array.from({ length: source.below(4) }, () => {
    const entry = { sequence, entry: entryOf('d', { content: directory, vector: { a: 1 }, at: 1 }) };
    sequence += source.below(3);
    return told.list === undefined || source.oneIn(8)
      ? entry
      : entryInParts(source, told.list, entry.sequence);
  });
}

function entryInParts(
  source: ByteSource,
  list: { readonly path: string; readonly chunks: number },
  sequence: number,
): SequencedEntry {
  const chunksInParts = list.chunks + (source.oneIn(8) ? 1 : 0);
  const sizeBytes = list.chunks * 10 + (source.oneIn(8) ? 1 : 0);
  const hash = list.chunks === 1 ? hashOf('c') : hashOf('whole');
  const content = { type: 'file' as const, sizeBytes, hash, chunks: [] };
  return { sequence, entry: entryOf(list.path, { content, vector: { a: 1 }, at: 1 }), chunksInParts };
}

function chunksOf(count: number): ChunkRef[] {
  return Array.from({ length: count }, () => ({ hash: hashOf('c'), lengthBytes: 10 }));
}

/** Follows what the frame tells; what no receiver may take is told nothing of. */
function follow(frame: Frame, told: Told): void {
  if (frame.type === 'indexStart') told.isStarted = true;
  else if (frame.type === 'indexEnd') told.position = frame.upToSequence;
  else if (frame.type === 'indexEntries') {
    told.position = frame.entries.at(-1)?.sequence ?? told.position;
    if (frame.entries.length > 0) told.list = undefined;
  } else if (frame.type === 'chunkListPart') {
    told.list = { path: frame.path, chunks: (told.list?.chunks ?? 0) + frame.chunks.length };
  }
  told.hasEnded = frame.type === 'indexEnd' || (told.hasEnded && frame.type === 'indexStart');
}

/** Whether a frame is one that may come next. Where this and the receiver differ, one of them is wrong. */
function mayCome(frame: Frame, told: Told): boolean {
  if (!('folder' in frame) || frame.folder !== FOLDER) return false;
  switch (frame.type) {
    case 'indexStart': {
      const goesOn = frame.indexId === INDEX && frame.afterSequence === told.position;
      return goesOn && told.hasEnded && told.list === undefined;
    }
    case 'indexEnd':
      return told.isStarted && told.list === undefined && frame.upToSequence >= told.position;
    case 'chunkListPart': {
      const fits = told.list === undefined || told.list.path === frame.path;
      return told.isStarted && fits && frame.chunks.length > 0 && frame.offset === (told.list?.chunks ?? 0);
    }
    case 'indexEntries':
      return told.isStarted && ascends(frame.entries, told) && fitsList(frame.entries, told);
    default:
      return false;
  }
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
    const isWhole = content.type === 'file' && content.sizeBytes === list.chunks * 10;
    return isWhole && entry.path === list.path && chunksInParts === list.chunks;
  });
}

function receiveAll(entropy: Uint8Array): void {
  const source = new ByteSource(entropy);
  const receiver = new IndexReceiver({ folder: FOLDER, indexId: INDEX, afterSequence: AFTER });
  const told: Told = { position: AFTER, isStarted: false, hasEnded: true, list: undefined };
  const start: Frame = { type: 'indexStart', folder: FOLDER, indexId: INDEX, afterSequence: AFTER };
  let next: Frame = source.oneIn(8) ? buildIndexFrame(source, told) : start;
  for (;;) {
    const isFine = mayCome(next, told);
    const before = receiver.sequence;
    try {
      const { entries, endedAt } = receiver.handle(next);
      check(isFine, `a ${next.type} frame was taken that may not come here`);
      check(ascends(entries, { ...told, position: before }), 'entries do not ascend');
      check(endedAt === undefined || endedAt >= before, 'it ended before where it stood');
    } catch (error) {
      check(error instanceof WireError, `the receiver threw ${String(error)}`);
      check(!isFine, `a ${next.type} frame was refused that may come here: ${error.message}`);
      return;
    }
    follow(next, told);
    check(receiver.sequence === told.position, 'it stands elsewhere');
    if (source.isEmpty) return;
    next = buildIndexFrame(source, told);
  }
}

export const indexFrames = fuzzTarget<Uint8Array>({
  name: 'index-receiver',
  weight: 2,
  input: fc.uint8Array({ maxLength: 80 }),
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
