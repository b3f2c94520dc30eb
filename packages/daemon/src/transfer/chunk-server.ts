import { type BidiStream, encodeFrame, encodeFrameHead, readFrames, turnBudget } from '@landropic/quic';
import type { ContentHash, FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import type { ChunkLocation } from '../core/ports/content-index.js';
import type { FolderDisk, ReadChunk } from '../core/ports/folder-disk.js';
import { decodePayload, encodeChunkHead, encodePayload } from '../core/wire/codec.js';
import { FrameType } from '../core/wire/frame-types.js';
import type { FrameOf } from '../core/wire/frames.js';
import { chunkRequestLimit, Limits } from '../core/wire/limits.js';
import { WireError } from '../core/wire/wire-error.js';
import { OutgoingSlots } from './outgoing-slots.js';
import { Permits } from './permits.js';
import { RequestQueue } from './request-queue.js';
import { SharedSlots } from './shared-slots.js';

/** What a peer may be served from: one folder that both sides share. */
export interface ChunkSource {
  readonly disk: Pick<FolderDisk, 'readChunks'>;
  /** Where files have this chunk, at most `limit`. */
  locate(hash: ContentHash, limit: number): readonly ChunkLocation[];
}

export interface ChunkServerDependencies {
  readonly clock: Clock;
  /** Asked again for every request: a folder counts only while both sides share it. */
  readonly sourceFor: (folder: FolderId) => ChunkSource | undefined;
}

type Request = FrameOf<'chunkRequest'>;

/** Bytes of each chunk in the order of the request; undefined where there are none to give. */
type ChunkBytes = readonly (Uint8Array | undefined)[];

/** A slice that is being read, and the shared memory it is read into. */
interface ReadSlice {
  readonly slice: Slice;
  readonly slot: SharedArrayBuffer | undefined;
  readonly bytes: Promise<ChunkBytes>;
}

interface Slice {
  /** Place of its first chunk in the request. */
  readonly from: number;
  readonly reads: readonly (ReadChunk | undefined)[];
}

const SLICE_CHUNKS = 64;
const SLICE_BYTES = 1024 * 1024;
/** Slices of one peer that are read or on their way out in memory that is used again. */
const MAX_SLOTS = 16;
/** Requests that are read ahead on one stream. The rest waits in the transport, whose window bounds it. */
const READ_AHEAD = 4;
/** Requests of one peer that are held or answered at once, on all its streams. */
const MAX_REQUESTS = 32;
/** A file may have changed since it was indexed; then another may still have the chunk. */
const OTHER_LOCATIONS = 4;
/** Small chunks are gathered into writes of about this size. */
const WRITE_BYTES = 256 * 1024;
const COPY_BELOW_BYTES = 32 * 1024;

/** Answers the chunk requests of one peer, from this device's files, with every hash checked before it is sent. */
export class ChunkServer {
  private readonly permits = new Permits(MAX_REQUESTS);
  private requestsUnderWay = 0;
  private readonly slots: SharedSlots;

  constructor(private readonly deps: ChunkServerDependencies) {
    this.slots = new SharedSlots(deps.clock, { slotBytes: SLICE_BYTES, maxSlots: MAX_SLOTS });
  }

  /** Requests that were read and are not answered whole. */
  get serving(): number {
    return this.requestsUnderWay;
  }

  /** Serves one stream until its end. Rejects with {@link WireError} when the peer breaks the protocol. */
  async serve(stream: BidiStream, firstBytes: Uint8Array): Promise<void> {
    const requests = new RequestQueue<Request>(READ_AHEAD);
    const cancelled = new Set<number>();
    await Promise.all([
      this.readRequests(stream, firstBytes, requests, cancelled).finally(() => requests.end()),
      this.answerRequests(stream, requests, cancelled).finally(() => requests.end()),
    ]);
  }

  private async readRequests(
    stream: BidiStream,
    firstBytes: Uint8Array,
    requests: RequestQueue<Request>,
    cancelled: Set<number>,
  ): Promise<void> {
    for await (const raw of readFrames(stream, chunkRequestLimit, firstBytes)) {
      // What waits for its turn waits as it came: hashes take more room once they are decoded.
      if (raw.type === FrameType.chunkRequest) await this.permits.acquire();
      const frame = decodePayload(raw.type, raw.payload);
      if (frame?.type === 'chunkRequest') {
        this.requestsUnderWay++;
        await requests.add(frame);
      } else if (frame?.type === 'chunkCancel') cancelled.add(frame.requestId);
      if (cancelled.size > MAX_REQUESTS) cancelled.clear();
    }
  }

  private async answerRequests(
    stream: BidiStream,
    requests: RequestQueue<Request>,
    cancelled: Set<number>,
  ): Promise<void> {
    const output = new OutgoingSlots(stream, this.slots);
    try {
      for (let request = await requests.take(); request !== undefined; request = await requests.take()) {
        try {
          await this.answer(output, request, cancelled);
        } finally {
          this.requestsUnderWay--;
          this.permits.release();
        }
      }
      await stream.finish();
    } finally {
      output.end();
    }
  }

  private async answer(output: OutgoingSlots, request: Request, cancelled: Set<number>): Promise<void> {
    const source = this.deps.sourceFor(request.folder);
    const read = (slice: Slice): ReadSlice => {
      const slot = output.take();
      return { slice, slot, bytes: readSlice(source, slice, request, slot) };
    };
    const slices = await sliceRequest(request, () => this.deps.sourceFor(request.folder));
    let next: ReadSlice | undefined;
    for (const [i, slice] of slices.entries()) {
      if (cancelled.has(request.requestId)) break;
      const current = next ?? read(slice);
      const bytes = await current.bytes;
      // The disk reads the next slice while this one is on its way out.
      const following = slices[i + 1];
      next = following && read(following);
      await this.send(output, request, slice.from, bytes);
      if (current.slot !== undefined) output.sent(current.slot);
      // What is missing is answered without waiting for anything: others want their turn.
      await turnBudget.spend();
    }
    if (next !== undefined && cancelled.has(request.requestId)) {
      await next.bytes;
      if (next.slot !== undefined) output.sent(next.slot);
    }
    cancelled.delete(request.requestId);
  }

  private async send(
    output: OutgoingSlots,
    request: Request,
    from: number,
    chunks: readonly (Uint8Array | undefined)[],
  ): Promise<void> {
    let gathered: Uint8Array[] = [];
    let gatheredBytes = 0;
    const flush = async () => {
      if (gathered.length === 0) return;
      const joined = joinBytes(gathered);
      gathered = [];
      gatheredBytes = 0;
      await output.write(joined);
    };
    for (const [i, bytes] of chunks.entries()) {
      const { requestId } = request;
      if (bytes === undefined) {
        const { frameType, payload } = encodePayload({ type: 'chunkMissing', requestId, index: from + i });
        gathered.push(encodeFrame(frameType, payload));
      } else {
        // Large chunks go out as they were read, behind their head: nothing is copied.
        const head = encodeChunkHead(requestId, from + i, bytes.length);
        gathered.push(encodeFrameHead(FrameType.chunk, head.length + bytes.length), head);
        if (bytes.length >= COPY_BELOW_BYTES) {
          await flush();
          await output.write(bytes);
          continue;
        }
        gathered.push(bytes);
      }
      gatheredBytes += bytes?.length ?? 0;
      if (gatheredBytes >= WRITE_BYTES) await flush();
    }
    await flush();
  }
}

/** Parts of a request that are read and sent at a time. Throws `limit-exceeded` when it asks for too much. */
async function sliceRequest(
  { chunks }: Request,
  sourceNow: () => ChunkSource | undefined,
): Promise<readonly Slice[]> {
  const slices: Slice[] = [];
  let source: ChunkSource | undefined;
  let reads: (ReadChunk | undefined)[] = [];
  let bytes = 0;
  let totalBytes = 0;
  for (const [i, hash] of chunks.entries()) {
    if (i % SLICE_CHUNKS === 0) {
      await turnBudget.spend();
      // It may have been closed meanwhile.
      source = sourceNow();
    }
    const [location] = source?.locate(hash, 1) ?? [];
    const lengthBytes = location?.lengthBytes ?? 0;
    totalBytes += lengthBytes;
    if (totalBytes > Limits.requestedBytes)
      throw new WireError('limit-exceeded', 'a chunk request for more bytes than may be asked for');
    if (reads.length >= SLICE_CHUNKS || (reads.length > 0 && bytes + lengthBytes > SLICE_BYTES)) {
      slices.push({ from: i - reads.length, reads });
      reads = [];
      bytes = 0;
    }
    bytes += lengthBytes;
    reads.push(location && readOf(hash, location));
  }
  if (reads.length > 0) slices.push({ from: chunks.length - reads.length, reads });
  return slices;
}

function readOf(hash: ContentHash, { path, offsetBytes, lengthBytes }: ChunkLocation): ReadChunk {
  return { path, offsetBytes, chunk: { hash, lengthBytes } };
}

/** Never rejects: whatever keeps a chunk from being read, the answer is the same. */
async function readSlice(
  source: ChunkSource | undefined,
  { from, reads }: Slice,
  { chunks }: Request,
  into: SharedArrayBuffer | undefined,
): Promise<ChunkBytes> {
  if (source === undefined) return reads.map(() => undefined);
  const found = await readThere(source, reads, into);
  return Promise.all(
    found.map((bytes, i) => {
      const hash = chunks[from + i];
      return bytes !== undefined || reads[i] === undefined || hash === undefined
        ? bytes
        : readElsewhere(source, hash);
    }),
  );
}

async function readThere(
  source: ChunkSource,
  reads: Slice['reads'],
  into: SharedArrayBuffer | undefined,
): Promise<ChunkBytes> {
  const there = reads.filter((read) => read !== undefined);
  try {
    const found = there.length === 0 ? [] : await source.disk.readChunks(there, into);
    let i = 0;
    return reads.map((read) => (read === undefined ? undefined : found[i++]));
  } catch {
    // The folder was closed meanwhile, or its disk is gone: that is shown where the folder is looked after.
    return reads.map(() => undefined);
  }
}

async function readElsewhere(source: ChunkSource, hash: ContentHash): Promise<Uint8Array | undefined> {
  try {
    for (const location of source.locate(hash, OTHER_LOCATIONS).slice(1)) {
      const [bytes] = await source.disk.readChunks([readOf(hash, location)]);
      if (bytes !== undefined) return bytes;
    }
  } catch {
    // As above.
  }
  return undefined;
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}
