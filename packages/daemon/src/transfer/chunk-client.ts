import { type BidiStream, type Connection, encodeFrame, readFrames } from '@landropic/quic';
import type { ContentHash, FolderId } from '../core/model/identifiers.js';
import { decodePayload, encodePayload } from '../core/wire/codec.js';
import { StreamKind } from '../core/wire/frame-types.js';
import { frameLimit } from '../core/wire/limits.js';
import { WireError } from '../core/wire/wire-error.js';

export interface ChunkReply {
  /** `bytes` as they came: whoever takes them checks the hash. */
  chunk(index: number, bytes: Uint8Array): void;
  missing(index: number): void;
}

export interface ChunkClientOptions {
  /** Streams that requests are spread over. Default 4. */
  readonly streams?: number;
  readonly onFailure: (error: unknown) => void;
}

interface Outstanding {
  readonly reply: ChunkReply;
  readonly answered: Uint8Array;
  left: number;
}

interface Lane {
  readonly stream: Promise<BidiStream>;
  readonly requests: Map<number, Outstanding>;
  /** Chunks asked for and not yet answered. */
  load: number;
}

const CHUNK_URGENCY = 5;

/** Asks one peer for chunks over a few parallel streams of one connection. */
export class ChunkClient {
  private readonly lanes: Lane[] = [];
  private readonly maxLanes: number;
  private closed = false;
  private nextRequestId = 1;

  constructor(
    private readonly connection: Pick<Connection, 'openBidi'>,
    private readonly options: ChunkClientOptions,
  ) {
    this.maxLanes = options.streams ?? 4;
  }

  /** Sends one request. The reply is called once for every chunk of it, unless the connection ends first. */
  request(folder: FolderId, chunks: readonly ContentHash[], reply: ChunkReply): void {
    if (this.closed) return;
    const requestId = this.nextRequestId++;
    const lane = this.pickLane();
    lane.requests.set(requestId, { reply, answered: new Uint8Array(chunks.length), left: chunks.length });
    lane.load += chunks.length;
    const { frameType, payload } = encodePayload({ type: 'chunkRequest', requestId, folder, chunks });
    lane.stream
      .then((stream) => stream.write(encodeFrame(frameType, payload)))
      .catch((error: unknown) => this.fail(error));
  }

  close(): void {
    this.closed = true;
    for (const lane of this.lanes) {
      lane.stream.then((stream) => stream.finish()).catch(() => {});
    }
  }

  private pickLane(): Lane {
    let least: Lane | undefined;
    for (const lane of this.lanes) if (least === undefined || lane.load < least.load) least = lane;
    if (least !== undefined && (least.load === 0 || this.lanes.length >= this.maxLanes)) return least;
    return this.openLane();
  }

  private openLane(): Lane {
    const stream = this.connection.openBidi({ urgency: CHUNK_URGENCY }).then(async (opened) => {
      await opened.write(Uint8Array.of(StreamKind.chunks));
      return opened;
    });
    const lane: Lane = { stream, requests: new Map(), load: 0 };
    this.lanes.push(lane);
    stream.then((opened) => this.readReplies(lane, opened)).catch((error: unknown) => this.fail(error));
    return lane;
  }

  private async readReplies(lane: Lane, stream: BidiStream): Promise<void> {
    for await (const raw of readFrames(stream, (type) => frameLimit(StreamKind.chunks, type))) {
      const frame = decodePayload(raw.type, raw.payload);
      if (frame?.type !== 'chunk' && frame?.type !== 'chunkMissing') continue;
      const outstanding = lane.requests.get(frame.requestId);
      if (outstanding === undefined || outstanding.answered[frame.index] !== 0) {
        throw new WireError('malformed', 'an answer to no chunk request');
      }
      outstanding.answered[frame.index] = 1;
      lane.load--;
      if (--outstanding.left === 0) lane.requests.delete(frame.requestId);
      if (frame.type === 'chunk') outstanding.reply.chunk(frame.index, frame.bytes);
      else outstanding.reply.missing(frame.index);
    }
    if (!this.closed && lane.requests.size > 0)
      throw new WireError('malformed', 'a chunk stream ended with requests open');
  }

  private fail(error: unknown): void {
    if (this.closed) return;
    this.closed = true;
    this.options.onFailure(error);
  }
}
