import { FrameType, StreamKind } from './frame-types.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Every limit of landropic/1. A sender checks before it sends; received beyond a limit, the connection closes with 7. */
export const Limits = {
  controlFrameBytes: MIB,
  receiptFrameBytes: 64 * KIB,
  pairingFrameBytes: 4 * KIB,
  indexFrameBytes: 4 * MIB,
  entriesPerFrame: 2_000,
  chunkBytes: 4 * MIB,
  /** A chunk frame's payload beyond the bytes of its chunk. */
  chunkFrameOverheadBytes: 64,
  chunkRequestFrameBytes: 64 * KIB,
  chunksPerRequest: 1_024,
  requestedBytes: 64 * MIB,
  smallChunkFrameBytes: KIB,
  requestResponseFrameBytes: 64 * KIB,
  chunksPerFile: 4_000_000,
  vectorKeys: 256,
  /** Device name and folder label, in characters (code points). */
  nameCharacters: 64,
  foldersPerDevice: 1_024,
  symlinkTargetBytes: 4_096,
  protocolVersionsOffered: 16,
  features: 64,
  throttleMs: 60_000,
  /** Reasons and error texts, in characters. */
  textCharacters: 512,
  identifierCharacters: 128,
  members: 256,
  indexesPerMember: 64,
  unplaceablePerReceipt: 1_000,
  secretBytes: 64,
  datagramBytes: 1_100,
  nestingDepth: 16,
  streamsBidi: 1_024,
  streamsUni: 64,
  /** How far ahead of the local clock a stamp may be. */
  stampAheadMs: 24 * 60 * 60 * 1000,
  /** Frames on a control stream: so many at once, and so many a second on average. */
  controlFramesAtOnce: 8_192,
  controlFramesPerSecond: 500,
  /** How often a peer may take up a folder with us on one connection: at once, and a minute on average. */
  folderOpeningsAtOnce: 10,
  folderOpeningsPerMinute: 10,
  /** Longest chunk list inside an entry of an IndexEntries frame; longer ones go ahead in ChunkListPart frames. */
  chunksInEntry: 32_768,
  chunksPerListPart: 100_000,
} as const;

const CONTROL_FRAMES: readonly number[] = [
  FrameType.hello,
  FrameType.helloAck,
  FrameType.auth,
  FrameType.authOk,
  FrameType.authFailed,
  FrameType.ping,
  FrameType.pong,
  FrameType.throttle,
  FrameType.goodbye,
  FrameType.folderOffer,
  FrameType.folderAccept,
  FrameType.folderDecline,
  FrameType.folderRemove,
  FrameType.folderPause,
  FrameType.shardAssignment,
  FrameType.folderPromoted,
  FrameType.folderDemoted,
  FrameType.error,
];

const INDEX_FRAMES: readonly number[] = [
  FrameType.indexStart,
  FrameType.indexEntries,
  FrameType.chunkListPart,
  FrameType.indexEnd,
];

const RECEIPT_FRAMES: readonly number[] = [FrameType.delivered, FrameType.durable, FrameType.members];

const PAIRING_FRAMES: readonly number[] = [
  FrameType.redeem,
  FrameType.redeemed,
  FrameType.sasCommit,
  FrameType.sasNonce,
  FrameType.sasReveal,
  FrameType.sasConfirm,
  FrameType.pairRefused,
  FrameType.error,
];

const DATAGRAM_FRAMES: readonly number[] = [
  FrameType.presenceOnline,
  FrameType.presenceAway,
  FrameType.presenceOffline,
  FrameType.folderActivity,
];

const MAX_CHUNK_FRAME_BYTES = Limits.chunkBytes + Limits.chunkFrameOverheadBytes;

const CHUNK_STREAM: readonly (readonly [number, number])[] = [
  [FrameType.chunkRequest, Limits.chunkRequestFrameBytes],
  [FrameType.chunk, MAX_CHUNK_FRAME_BYTES],
  [FrameType.chunkMissing, Limits.smallChunkFrameBytes],
  [FrameType.chunkCancel, Limits.smallChunkFrameBytes],
];

interface StreamLimits {
  readonly frames: ReadonlyMap<number, number>;
  /** For the types that are skipped (0xE0–0xEF). */
  readonly skippedBytes: number;
}

function streamOf(types: readonly number[], limitBytes: number): StreamLimits {
  return { frames: new Map(types.map((type) => [type, limitBytes])), skippedBytes: limitBytes };
}

const INDEX_STREAM = streamOf(INDEX_FRAMES, Limits.indexFrameBytes);

const STREAMS: ReadonlyMap<number, StreamLimits> = new Map([
  [StreamKind.control, streamOf(CONTROL_FRAMES, Limits.controlFrameBytes)],
  [StreamKind.indexShard, INDEX_STREAM],
  [StreamKind.hotFolder, INDEX_STREAM],
  [StreamKind.receipts, streamOf(RECEIPT_FRAMES, Limits.receiptFrameBytes)],
  [StreamKind.chunks, { frames: new Map(CHUNK_STREAM), skippedBytes: MAX_CHUNK_FRAME_BYTES }],
  [StreamKind.requestResponse, streamOf([], Limits.requestResponseFrameBytes)],
  [StreamKind.oneShotSend, streamOf([], Limits.requestResponseFrameBytes)],
  [StreamKind.pairing, streamOf(PAIRING_FRAMES, Limits.pairingFrameBytes)],
]);

const PAYLOAD_LIMITS: ReadonlyMap<number, number> = new Map([
  // Last wins: an error frame may be as long as its longest stream, control, allows.
  ...PAIRING_FRAMES.map((type) => [type, Limits.pairingFrameBytes] as const),
  ...CONTROL_FRAMES.map((type) => [type, Limits.controlFrameBytes] as const),
  ...INDEX_FRAMES.map((type) => [type, Limits.indexFrameBytes] as const),
  ...RECEIPT_FRAMES.map((type) => [type, Limits.receiptFrameBytes] as const),
  ...DATAGRAM_FRAMES.map((type) => [type, Limits.datagramBytes] as const),
  ...CHUNK_STREAM,
]);

/** Types that a later version may define and that this one skips. */
export function isSkippedFrameType(frameType: number): boolean {
  return frameType >= 0xe0 && frameType <= 0xef;
}

export function isDatagramFrameType(frameType: number): boolean {
  return DATAGRAM_FRAMES.includes(frameType);
}

/** The longest payload of this frame on that kind of stream; undefined when it does not belong there (a protocol error). */
export function frameLimit(streamKind: number, frameType: number): number | undefined {
  const stream = STREAMS.get(streamKind);
  if (stream === undefined) return undefined;
  return isSkippedFrameType(frameType) ? stream.skippedBytes : stream.frames.get(frameType);
}

/**
 * The same on a stream of chunks that the peer opened: it asks there, and chunks go the other way. A peer may have a
 * thousand of these streams, and could make us hold a frame of that length on each.
 */
export function chunkRequestLimit(frameType: number): number | undefined {
  switch (frameType) {
    case FrameType.chunkRequest:
      return Limits.chunkRequestFrameBytes;
    case FrameType.chunkCancel:
      return Limits.smallChunkFrameBytes;
    default:
      return isSkippedFrameType(frameType) ? Limits.smallChunkFrameBytes : undefined;
  }
}

/** The longest payload of this frame wherever it may stand; undefined for an unknown type. */
export function payloadLimit(frameType: number): number | undefined {
  return PAYLOAD_LIMITS.get(frameType);
}
