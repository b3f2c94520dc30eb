import { type BidiStream, type Connection, encodeFrame, readFrames } from '@landropic/quic';
import type { ContentHash, FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { decodePayload, encodePayload } from '../core/wire/codec.js';
import { StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import { frameLimit } from '../core/wire/limits.js';
import { WireError } from '../core/wire/wire-error.js';
import { SharedSlots } from './shared-slots.js';

export interface ChunkReply {
  /** `bytes` as they came: whoever takes them checks the hash, and calls `release` when done with them, once. */
  chunk(index: number, bytes: Uint8Array, release: () => void): void;
  missing(index: number): void;
}

export interface ChunkClientDependencies {
  readonly connection: Pick<Connection, 'openBidi'>;
  readonly clock: Clock;
  /** Called once, when the connection is no use for chunks any more: {@link WireError}, or what the transport threw. */
  readonly onFailure: (error: unknown) => void;
}

export interface ChunkClientOptions {
  /** Streams that requests are spread over. Default 4. */
  readonly streams?: number;
  /** How long nothing at all may come while answers are awaited. Default 60,000. */
  readonly stallMs?: number;
}

/** A peer that is there, and gives no answer. */
export class ChunkStallError extends Error {
  override readonly name = 'ChunkStallError';
  readonly code = 'stalled';
}

interface Outstanding {
  readonly reply: ChunkReply;
  readonly answered: Uint8Array;
  left: number;
  /** What still comes of it is thrown away. */
  isCancelled: boolean;
}

interface Lane {
  readonly stream: Promise<BidiStream>;
  readonly requests: Map<number, Outstanding>;
  /** Chunks asked for and not yet answered. */
  load: number;
}

const CHUNK_URGENCY = 5;
/** What a peer sent before it heard of a cancel is among the last so many requests. */
const MAX_CANCELLED = 1_024;
const MIN_SHARED_BYTES = 96 * 1024;
/** For chunks between the network and the disk (only what a chunk fills of a slot takes up memory); larger or further ones have memory of their own. */
const SLOTS = { slotBytes: 1024 * 1024 + 64, maxSlots: 96 };

/** Asks one peer for chunks over a few parallel streams of one connection. */
export class ChunkClient {
  private readonly lanes: Lane[] = [];
  private readonly slots: SharedSlots;
  private readonly maxLanes: number;
  private readonly stallMs: number;
  private closed = false;
  private nextRequestId = 1;
  private lastBytesMs = 0;
  private cancelStallTimer: (() => void) | undefined;

  constructor(
    private readonly deps: ChunkClientDependencies,
    options: ChunkClientOptions = {},
  ) {
    this.slots = new SharedSlots(deps.clock, SLOTS);
    this.maxLanes = options.streams ?? 4;
    this.stallMs = options.stallMs ?? 60_000;
  }

  /**
   * Sends one request. The reply is called once for every chunk of it, unless the connection ends first or the signal
   * aborts: then the peer is told to send no more of it, and nothing is answered any more.
   */
  request(folder: FolderId, chunks: readonly ContentHash[], reply: ChunkReply, signal?: AbortSignal): void {
    if (this.closed || chunks.length === 0 || signal?.aborted) return;
    this.watchForStall();
    const requestId = this.nextRequestId++;
    const lane = this.pickLane();
    const outstanding: Outstanding = {
      reply,
      answered: new Uint8Array(chunks.length),
      left: chunks.length,
      isCancelled: false,
    };
    lane.requests.set(requestId, outstanding);
    lane.load += chunks.length;
    this.write(lane, { type: 'chunkRequest', requestId, folder, chunks });
    signal?.addEventListener('abort', () => this.cancel(lane, requestId, outstanding), { once: true });
  }

  close(): void {
    this.closed = true;
    this.cancelStallTimer?.();
    for (const lane of this.lanes) {
      lane.stream.then((stream) => stream.finish()).catch(() => {});
    }
  }

  private write(lane: Lane, frame: Frame): void {
    const { frameType, payload } = encodePayload(frame);
    lane.stream
      .then((stream) => stream.write(encodeFrame(frameType, payload)))
      .catch((error: unknown) => this.fail(error));
  }

  private cancel(lane: Lane, requestId: number, outstanding: Outstanding): void {
    if (this.closed || outstanding.left === 0) return;
    outstanding.isCancelled = true;
    lane.load -= outstanding.left;
    this.write(lane, { type: 'chunkCancel', requestId });
    this.dropCancelled(lane, requestId - MAX_CANCELLED);
  }

  /** Requests are answered in their order: of those before one that is being answered nothing more comes. */
  private dropCancelled(lane: Lane, before: number): void {
    for (const [requestId, { isCancelled }] of lane.requests) {
      if (requestId >= before) return;
      if (isCancelled) lane.requests.delete(requestId);
    }
  }

  private pickLane(): Lane {
    let least: Lane | undefined;
    for (const lane of this.lanes) if (least === undefined || lane.load < least.load) least = lane;
    if (least !== undefined && (least.load === 0 || this.lanes.length >= this.maxLanes)) return least;
    return this.openLane();
  }

  private openLane(): Lane {
    const stream = this.deps.connection.openBidi({ urgency: CHUNK_URGENCY }).then(async (opened) => {
      await opened.write(Uint8Array.of(StreamKind.chunks));
      return opened;
    });
    const lane: Lane = { stream, requests: new Map(), load: 0 };
    this.lanes.push(lane);
    stream.then((opened) => this.readReplies(lane, opened)).catch((error: unknown) => this.fail(error));
    return lane;
  }

  private async readReplies(lane: Lane, stream: BidiStream): Promise<void> {
    const limitOf = (type: number) => frameLimit(StreamKind.chunks, type);
    const allocate = (length: number) => this.allocate(length);
    const source = { read: (into?: Uint8Array) => this.read(stream, into) };
    for await (const raw of readFrames(source, limitOf, undefined, { allocate })) {
      if (this.closed) return;
      const frame = decodePayload(raw.type, raw.payload);
      if (frame?.type !== 'chunk' && frame?.type !== 'chunkMissing') continue;
      const outstanding = lane.requests.get(frame.requestId);
      if (outstanding === undefined || outstanding.answered[frame.index] !== 0) {
        throw new WireError('malformed', 'an answer to no chunk request');
      }
      outstanding.answered[frame.index] = 1;
      if (!outstanding.isCancelled) lane.load--;
      if (--outstanding.left === 0) lane.requests.delete(frame.requestId);
      this.dropCancelled(lane, frame.requestId);
      if (outstanding.isCancelled) {
        if (frame.type === 'chunk') this.release(frame.bytes);
      } else if (frame.type === 'chunk')
        outstanding.reply.chunk(frame.index, frame.bytes, () => this.release(frame.bytes));
      else outstanding.reply.missing(frame.index);
    }
    if (!this.closed && isAwaited(lane))
      throw new WireError('malformed', 'a chunk stream ended with requests open');
  }

  /** Large chunks come into memory that the disk's threads see too. */
  private allocate(length: number): Uint8Array {
    const { slots } = this;
    const slot = length >= MIN_SHARED_BYTES && length <= slots.slotBytes ? slots.take() : undefined;
    return slot === undefined ? Buffer.allocUnsafeSlow(length) : new Uint8Array(slot, 0, length);
  }

  private release({ buffer }: Uint8Array): void {
    if (buffer instanceof SharedArrayBuffer) this.slots.give(buffer);
  }

  private async read(stream: BidiStream, into: Uint8Array | undefined): Promise<Uint8Array | null> {
    const bytes = await stream.read(into);
    this.lastBytesMs = this.deps.clock.monotonicMs();
    return bytes;
  }

  /** A slow link still brings some bytes; a program that hangs brings none. */
  private watchForStall(): void {
    if (!this.isWaiting()) this.lastBytesMs = this.deps.clock.monotonicMs();
    if (this.cancelStallTimer === undefined) this.armStallTimer(this.stallMs);
  }

  private isWaiting(): boolean {
    return this.lanes.some(isAwaited);
  }

  private armStallTimer(delayMs: number): void {
    const { clock } = this.deps;
    this.cancelStallTimer = clock.after(delayMs, () => {
      this.cancelStallTimer = undefined;
      if (!this.isWaiting()) return;
      const leftMs = this.lastBytesMs + this.stallMs - clock.monotonicMs();
      if (leftMs > 0) this.armStallTimer(leftMs);
      else this.fail(new ChunkStallError(`no answer to chunk requests for ${this.stallMs} ms`));
    });
  }

  private fail(error: unknown): void {
    if (this.closed) return;
    this.closed = true;
    this.cancelStallTimer?.();
    this.deps.onFailure(error);
  }
}

function isAwaited({ requests }: Lane): boolean {
  for (const { isCancelled } of requests.values()) if (!isCancelled) return true;
  return false;
}
