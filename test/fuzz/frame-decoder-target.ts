import fc from 'fast-check';
import { StreamKind } from '../../packages/daemon/src/core/wire/frame-types.js';
import { frameLimit } from '../../packages/daemon/src/core/wire/limits.js';
import {
  FRAME_HEADER_BYTES,
  FrameDecoder,
  FrameError,
  type FrameLimit,
  type RawFrame,
} from '../../packages/quic/src/frame-codec.js';
import { ByteSource } from './byte-source.js';
import { soundFrames } from './frame-mutation.js';
import { check, fuzzTarget } from './fuzz-target.js';

interface Input {
  readonly streamKind: number;
  readonly bytes: Uint8Array;
  /** Where the bytes are cut, in any order. */
  readonly cuts: readonly number[];
  /** Whether long payloads are read where they belong, as a stream does. */
  readonly direct: boolean;
}

/** What a stream of bytes means, read in one go and without a thought of speed. */
interface Reading {
  readonly frames: readonly RawFrame[];
  /** The error, and how many bytes must be there for it to be known. */
  readonly error?: { readonly code: FrameError['code']; readonly at: number };
  readonly isTruncated: boolean;
}

const STREAM_KINDS: readonly number[] = [...Object.values(StreamKind), 0x7f];
const LENGTHS: readonly number[] = [
  0,
  1,
  1_023,
  1_024,
  1_025,
  4_096,
  4_097,
  65_536,
  65_537,
  2 ** 20,
  2 ** 20 + 1,
  2 ** 22,
  2 ** 22 + 64,
  2 ** 22 + 65,
  2 ** 31,
  2 ** 32 - 1,
];
/** Long enough to be read where they belong. */
const LONG_BYTES = 70_000;

/** Headers and payloads, most of them sound, on one kind of stream, cut anywhere and also where something ends. */
function buildStream(entropy: Uint8Array): Omit<Input, 'direct'> {
  const source = new ByteSource(entropy);
  const streamKind = source.pick(STREAM_KINDS);
  const belonging = soundFrames.filter(({ type }) => frameLimit(streamKind, type) !== undefined);
  const parts: Uint8Array[] = [];
  for (let count = source.below(8); count > 0; count--) {
    const { type, payload } = source.pick(
      belonging.length > 0 && !source.oneIn(16) ? belonging : soundFrames,
    );
    const shown = source.oneIn(40) ? source.byte() : source.oneIn(12) ? 0xe0 + source.below(16) : type;
    const body = source.oneIn(16) ? new Uint8Array(source.below(LONG_BYTES)).fill(source.byte()) : payload;
    const length = source.oneIn(16) ? source.pick(LENGTHS) : body.length;
    parts.push(headOf(shown, length), body);
  }
  if (source.oneIn(4)) parts.push(source.take(source.below(9)));
  const bytes = new Uint8Array(Buffer.concat(parts));
  return { streamKind, bytes, cuts: cutAnywhere(parts, bytes.length, source) };
}

function cutAnywhere(parts: readonly Uint8Array[], length: number, source: ByteSource): number[] {
  const cuts = Array.from({ length: source.below(8) }, () =>
    Math.floor((source.below(65_536) * length) / 65_536),
  );
  let end = 0;
  for (const part of parts) {
    end += part.length;
    if (source.oneIn(3)) cuts.push(Math.max(0, end + source.pick([-2, -1, 0, 1, 2])));
  }
  return cuts;
}

function headOf(type: number, length: number): Uint8Array {
  const head = Buffer.alloc(FRAME_HEADER_BYTES);
  head[0] = type;
  head.writeUInt32BE(length, 1);
  return head;
}

function readAtOnce(bytes: Uint8Array, limitOf: FrameLimit): Reading {
  const frames: RawFrame[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at + FRAME_HEADER_BYTES <= bytes.length) {
    const type = view.getUint8(at);
    const length = view.getUint32(at + 1);
    const limit = limitOf(type);
    const known = at + FRAME_HEADER_BYTES;
    if (limit === undefined) {
      return { frames, error: { code: 'unexpected-type', at: known }, isTruncated: false };
    }
    if (length > limit) return { frames, error: { code: 'too-long', at: known }, isTruncated: false };
    if (known + length > bytes.length) return { frames, isTruncated: true };
    frames.push({ type, payload: bytes.subarray(known, known + length) });
    at = known + length;
  }
  return { frames, isTruncated: at < bytes.length };
}

/** Feeds the decoder piece by piece; what it gave, and after how many bytes it refused to go on. */
function decodeInPieces({ bytes, cuts, direct }: Input, limitOf: FrameLimit) {
  let largestBytes = 0;
  const decoder = new FrameDecoder(limitOf, (length) => {
    largestBytes = Math.max(largestBytes, length);
    return Buffer.alloc(length, 0xee);
  });
  const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length];
  const frames: RawFrame[] = [];
  let at = 0;
  for (const end of ends.sort((a, b) => a - b)) {
    try {
      while (at < end) {
        const room = direct ? decoder.wanted : undefined;
        const piece = bytes.subarray(at, room === undefined ? end : Math.min(end, at + room.length));
        at += piece.length;
        if (room === undefined) frames.push(...decoder.push(piece));
        else {
          room.set(piece);
          const frame = decoder.filled(piece.length);
          if (frame !== undefined) frames.push(frame);
        }
      }
    } catch (error) {
      check(error instanceof FrameError, `the decoder threw ${String(error)}`);
      return { frames, largestBytes, error, pieceEnd: at, decoder };
    }
  }
  return { frames, largestBytes, error: undefined, pieceEnd: at, decoder };
}

function compare(input: Input): void {
  const limitOf: FrameLimit = (type) => frameLimit(input.streamKind, type);
  const wanted = readAtOnce(input.bytes, limitOf);
  const seen = decodeInPieces(input, limitOf);
  if (wanted.error !== undefined) {
    check(seen.error?.code === wanted.error.code, `${wanted.error.code} was not noticed`);
    const late = seen.pieceEnd - wanted.error.at;
    check(late >= 0 && cutsBetween(input, wanted.error.at, seen.pieceEnd) === 0, 'it was noticed late');
    check(seen.frames.length <= wanted.frames.length, 'there are more frames than were sent');
  } else {
    check(seen.error === undefined, `a sound stream was refused: ${seen.error?.message}`);
    check(seen.frames.length === wanted.frames.length, 'frames are missing');
    check(endsInside(seen.decoder) === wanted.isTruncated, 'its end was judged wrongly');
  }
  for (const [i, frame] of seen.frames.entries()) {
    const sent = wanted.frames[i];
    check(sent?.type === frame.type, 'a frame has another type');
    check(Buffer.compare(sent.payload, frame.payload) === 0, 'a frame has another payload');
  }
  const limits = Array.from({ length: 256 }, (_, type) => limitOf(type) ?? 0);
  check(seen.largestBytes <= Math.max(...limits), 'more was set aside than any frame may have');
}

/** Pieces that ended after the error was to be seen and before it was: the error may come only in the first. */
function cutsBetween({ cuts }: Input, from: number, to: number): number {
  return cuts.filter((cut) => cut >= from && cut < to).length;
}

function endsInside(decoder: FrameDecoder): boolean {
  try {
    decoder.end();
    return false;
  } catch (error) {
    check(error instanceof FrameError && error.code === 'truncated', `the end threw ${String(error)}`);
    return true;
  }
}

export const structuredStreams = fuzzTarget<Input>({
  name: 'frames-structured',
  weight: 2,
  input: fc
    .record({ entropy: fc.uint8Array({ maxLength: 120, size: 'max' }), direct: fc.boolean() })
    .map(({ entropy, direct }) => ({ ...buildStream(entropy), direct })),
  run: compare,
});

export const rawStreams = fuzzTarget<Input>({
  name: 'frames-raw',
  weight: 2,
  input: fc.record({
    streamKind: fc.constantFrom(...STREAM_KINDS),
    bytes: fc.uint8Array({ maxLength: 64 }),
    cuts: fc.array(fc.nat(64), { maxLength: 12 }),
    direct: fc.boolean(),
  }),
  run: compare,
});
