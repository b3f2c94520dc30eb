import { chunkCodecs, decodeChunk, encodeChunk } from './chunk-codec.js';
import { controlCodecs } from './control-codec.js';
import { datagramCodecs } from './datagram-codec.js';
import { decodeFields, encodeFields } from './fields.js';
import type { FieldList, FrameCodecs } from './frame-codec.js';
import { FrameType } from './frame-types.js';
import type { Frame } from './frames.js';
import { indexCodecs } from './index-codec.js';
import { isDatagramFrameType, isSkippedFrameType, Limits, payloadLimit } from './limits.js';
import { pairingCodecs } from './pairing-codec.js';
import { receiptCodecs } from './receipt-codec.js';
import { WireError } from './wire-error.js';

export { encodeChunkHead } from './chunk-codec.js';
export { decodeEntry, decodeVersion, encodeEntry, encodeVersion, type PathVersion } from './entry-codec.js';
export { type EncodedEntry, encodeIndexEntries } from './index-codec.js';
export { WireError } from './wire-error.js';

const codecs: FrameCodecs<Exclude<Frame['type'], 'chunk'>> = {
  ...controlCodecs,
  ...indexCodecs,
  ...receiptCodecs,
  ...chunkCodecs,
  ...datagramCodecs,
  ...pairingCodecs,
};

const typeNames: ReadonlyMap<number, Frame['type']> = new Map(
  (Object.keys(FrameType) as Frame['type'][]).map((name) => [FrameType[name], name]),
);

/**
 * The frame's type number and payload. `extra` are fields that nobody knows, and everybody has to pass over.
 * Throws {@link WireError} when the payload is beyond its limit.
 */
export function encodePayload(
  frame: Frame,
  extra: FieldList = [],
): { frameType: number; payload: Uint8Array } {
  const frameType = FrameType[frame.type];
  const payload =
    frame.type === 'chunk'
      ? encodeChunk(frame)
      : encodeFields([...codecs[frame.type].write(frame), ...extra]);
  checkLength(frameType, payload);
  return { frameType, payload };
}

/**
 * The frame of that type with that payload; undefined for a type that is to be skipped (0xE0–0xEF). Throws nothing but
 * {@link WireError}. A Chunk's bytes are a view into `payload`.
 */
export function decodePayload(frameType: number, payload: Uint8Array): Frame | undefined {
  const name = typeNames.get(frameType);
  if (name === undefined) {
    if (isSkippedFrameType(frameType)) return undefined;
    throw new WireError('unknown-frame', `frame type 0x${frameType.toString(16)} is unknown`);
  }
  checkLength(frameType, payload);
  return name === 'chunk' ? decodeChunk(payload) : codecs[name].read(decodeFields(payload));
}

const FRAME_HEAD_BYTES = 5;

/**
 * The frame in a datagram, which holds one, head and all; undefined for a type that is to be skipped. Throws nothing but
 * {@link WireError}.
 */
export function decodeDatagram(datagram: Uint8Array): Frame | undefined {
  if (datagram.length > Limits.datagramBytes)
    throw new WireError('limit-exceeded', 'a datagram is beyond its limit');
  const [frameType = 0, ...length] = datagram.subarray(0, FRAME_HEAD_BYTES);
  const payloadBytes = length.reduce((sum, byte) => sum * 256 + byte, 0);
  if (datagram.length < FRAME_HEAD_BYTES || payloadBytes !== datagram.length - FRAME_HEAD_BYTES)
    throw new WireError('malformed', 'a datagram is not one frame');
  if (!isDatagramFrameType(frameType) && !isSkippedFrameType(frameType))
    throw new WireError('unknown-frame', 'a frame that does not belong in a datagram');
  return decodePayload(frameType, datagram.subarray(FRAME_HEAD_BYTES));
}

function checkLength(frameType: number, payload: Uint8Array): void {
  const limit = payloadLimit(frameType);
  if (limit !== undefined && payload.length > limit) {
    throw new WireError('limit-exceeded', `a frame of type 0x${frameType.toString(16)} is too long`);
  }
}
