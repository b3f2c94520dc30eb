import { decodeFirst, encode } from 'cborg';
import { packHashes, unpackHashes } from './chunk-list.js';
import { asBytes, asUint, decodeFields, malformed } from './fields.js';
import { type FrameCodecs, frameCodec } from './frame-codec.js';
import type { FrameOf } from './frames.js';
import { readFolder } from './identifier-fields.js';
import { Limits } from './limits.js';

/**
 * The payload of a Chunk frame up to where its bytes begin: a sender writes this and then the chunk itself, and the chunk
 * is never copied. The frame's length is the sum of both.
 */
export function encodeChunkHead(requestId: number, index: number, lengthBytes: number): Uint8Array {
  const head = encode(
    new Map([
      [0, requestId],
      [1, index],
    ]),
  );
  const key = [0x02, 0x5a, lengthBytes >>> 24, lengthBytes >>> 16, lengthBytes >>> 8, lengthBytes];
  // The shortest form of a length is the only one that is accepted.
  if (lengthBytes < 0x18) key.splice(1, 5, 0x40 + lengthBytes);
  else if (lengthBytes < 0x100) key.splice(1, 4, 0x58);
  else if (lengthBytes < 0x10000) key.splice(1, 3, 0x59);
  const whole = new Uint8Array(head.length + key.length);
  whole.set(head);
  whole[0] = 0xa3;
  whole.set(key, head.length);
  return whole;
}

export function encodeChunk(frame: FrameOf<'chunk'>): Uint8Array {
  const head = encodeChunkHead(frame.requestId, frame.index, frame.bytes.length);
  const payload = new Uint8Array(head.length + frame.bytes.length);
  payload.set(head);
  payload.set(frame.bytes, head.length);
  return payload;
}

/** The bytes of the returned frame are a view into `payload` when it has the usual form; nothing is copied. */
export function decodeChunk(payload: Uint8Array): FrameOf<'chunk'> {
  const view = viewChunk(payload);
  if (view !== undefined) return view;
  const fields = decodeFields(payload);
  return chunkFrame(fields.get(0), fields.get(1), asBytes(fields.get(2), 'chunk', Limits.chunkBytes));
}

/** Reads the form that {@link encodeChunkHead} writes; undefined for any other, which the general decoder takes. */
function viewChunk(payload: Uint8Array): FrameOf<'chunk'> | undefined {
  if (payload[0] !== 0xa3 || payload[1] !== 0x00) return undefined;
  const first = readUint(payload, 2);
  if (first === undefined || payload[first.end] !== 0x01) return undefined;
  const second = readUint(payload, first.end + 1);
  if (second === undefined || payload[second.end] !== 0x02) return undefined;
  const head = payload[second.end + 1];
  if (head === undefined || head >> 5 !== 2) return undefined;
  const bytes = bytesToEnd(payload, second.end + 1);
  return bytes === undefined ? undefined : chunkFrame(first.value, second.value, bytes);
}

function readUint(payload: Uint8Array, start: number): { value: unknown; end: number } | undefined {
  const head = payload[start] ?? 0xff;
  if (head > 0x1b) return undefined;
  const length = head < 0x18 ? 1 : 1 + (1 << (head - 0x18));
  const item = payload.subarray(start, start + length);
  if (item.length < length) return undefined;
  try {
    const [value] = decodeFirst(item, { strict: true });
    return { value, end: start + length };
  } catch {
    return undefined;
  }
}

/** The byte string at `start`, if it ends where the payload ends and its length is written in the shortest form. */
function bytesToEnd(payload: Uint8Array, start: number): Uint8Array | undefined {
  const minor = (payload[start] ?? 0) & 31;
  if (minor > 26) return undefined;
  const head = minor < 24 ? 1 : 1 + (1 << (minor - 24));
  const length = payload.length - start - head;
  if (length < 0) return undefined;
  const shortest = length < 24 ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
  if (head !== shortest) return undefined;
  let written = minor < 24 ? minor : 0;
  for (let i = start + 1; i < start + head; i++) written = written * 256 + (payload[i] ?? 0);
  return written === length ? payload.subarray(start + head) : undefined;
}

function chunkFrame(requestId: unknown, index: unknown, bytes: Uint8Array): FrameOf<'chunk'> {
  if (bytes.length === 0) throw malformed('chunk', 'a chunk with bytes');
  asBytes(bytes, 'chunk', Limits.chunkBytes);
  return { type: 'chunk', requestId: asUint(requestId, 'request'), index: readPlace(index), bytes };
}

function readPlace(value: unknown): number {
  return asUint(value, 'place', Limits.chunksPerRequest - 1);
}

export const chunkCodecs: FrameCodecs<'chunkRequest' | 'chunkMissing' | 'chunkCancel'> = {
  chunkRequest: frameCodec<FrameOf<'chunkRequest'>>({
    write: (frame) => [
      [0, frame.requestId],
      [1, frame.folder],
      [2, packHashes(frame.chunks)],
    ],
    read: (fields) => ({
      type: 'chunkRequest',
      requestId: asUint(fields.get(0), 'request'),
      folder: readFolder(fields.get(1)),
      chunks: unpackHashes(fields.get(2), 'chunks', Limits.chunksPerRequest),
    }),
  }),
  chunkMissing: frameCodec<FrameOf<'chunkMissing'>>({
    write: (frame) => [
      [0, frame.requestId],
      [1, frame.index],
    ],
    read: (fields) => ({
      type: 'chunkMissing',
      requestId: asUint(fields.get(0), 'request'),
      index: readPlace(fields.get(1)),
    }),
  }),
  chunkCancel: frameCodec<FrameOf<'chunkCancel'>>({
    write: (frame) => [[0, frame.requestId]],
    read: (fields) => ({ type: 'chunkCancel', requestId: asUint(fields.get(0), 'request') }),
  }),
};
