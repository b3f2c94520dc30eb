import { type BidiStream, encodeFrame, encodeFrameHead, readFrames } from '@landropic/quic';
import type { ContentHash, FolderId } from '../core/model/identifiers.js';
import type { ChunkLocation } from '../core/ports/content-index.js';
import type { FolderDisk, ReadChunk } from '../core/ports/folder-disk.js';
import { decodePayload, encodeChunkHead, encodePayload } from '../core/wire/codec.js';
import { FrameType, StreamKind } from '../core/wire/frame-types.js';
import type { FrameOf } from '../core/wire/frames.js';
import { frameLimit } from '../core/wire/limits.js';
import { WireError } from '../core/wire/wire-error.js';

/** What a peer may be served from: one folder that both sides share. */
export interface ChunkSource {
  readonly disk: Pick<FolderDisk, 'readChunks'>;
  locate(hash: ContentHash): readonly ChunkLocation[];
}

export interface ChunkServerDependencies {
  /** Asked again for every request: a folder counts only while both sides share it. */
  readonly sourceFor: (folder: FolderId) => ChunkSource | undefined;
}

type Request = FrameOf<'chunkRequest'>;

const SLICE_CHUNKS = 64;
const SLICE_BYTES = 2 * 1024 * 1024;
/** Requests that may wait on one stream. A requester is bounded by its own memory long before this. */
const MAX_QUEUED = 1_024;
/** Small chunks are gathered into writes of about this size. */
const WRITE_BYTES = 256 * 1024;
const COPY_BELOW_BYTES = 32 * 1024;

/** Answers the chunk requests of one peer, from this device's files, with every hash checked before it is sent. */
export class ChunkServer {
  private servedBytes = 0;
  private lastServed = Number.NEGATIVE_INFINITY;

  constructor(private readonly deps: ChunkServerDependencies) {}

  get bytesServed(): number {
    return this.servedBytes;
  }

  /** `performance.now()` of the last chunk sent. */
  get lastServedAt(): number {
    return this.lastServed;
  }

  /** Serves one stream until its end. Rejects with {@link WireError} when the peer breaks the protocol. */
  async serve(stream: BidiStream, firstBytes: Uint8Array): Promise<void> {
    const queue: Request[] = [];
    const cancelled = new Set<number>();
    let ended = false;
    let wake: (() => void) | undefined;
    const reading = (async () => {
      try {
        for await (const raw of readFrames(
          stream,
          (type) => frameLimit(StreamKind.chunks, type),
          firstBytes,
        )) {
          const frame = decodePayload(raw.type, raw.payload);
          if (frame?.type === 'chunkRequest') queue.push(frame);
          else if (frame?.type === 'chunkCancel') cancelled.add(frame.requestId);
          if (queue.length > MAX_QUEUED || cancelled.size > MAX_QUEUED)
            throw new WireError('limit-exceeded', 'too many chunk requests wait on one stream');
          wake?.();
        }
      } finally {
        ended = true;
        wake?.();
      }
    })();
    const answering = (async () => {
      for (;;) {
        const request = queue.shift();
        if (request !== undefined) await this.answer(stream, request, cancelled);
        else if (ended) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      await stream.finish();
    })();
    await Promise.all([reading, answering]);
  }

  private async answer(stream: BidiStream, request: Request, cancelled: Set<number>): Promise<void> {
    let next: Promise<readonly (Uint8Array | undefined)[]> | undefined;
    const slices = [...this.slices(request)];
    for (const [i, slice] of slices.entries()) {
      if (cancelled.has(request.requestId)) break;
      const bytes = await (next ?? slice.read());
      // The disk reads the next slice while this one is on its way out.
      next = slices[i + 1]?.read();
      next?.catch(() => {});
      await this.send(stream, request, slice.from, bytes);
    }
    cancelled.delete(request.requestId);
  }

  private *slices(
    request: Request,
  ): Iterable<{ from: number; read: () => Promise<readonly (Uint8Array | undefined)[]> }> {
    const source = this.deps.sourceFor(request.folder);
    let from = 0;
    let reads: (ReadChunk | undefined)[] = [];
    let bytes = 0;
    for (const [i, hash] of request.chunks.entries()) {
      const location = source?.locate(hash)[0];
      if (
        reads.length > 0 &&
        (reads.length >= SLICE_CHUNKS || bytes + (location?.lengthBytes ?? 0) > SLICE_BYTES)
      ) {
        yield { from, read: readAll(source, reads) };
        from = i;
        reads = [];
        bytes = 0;
      }
      bytes += location?.lengthBytes ?? 0;
      reads.push(
        location && {
          path: location.path,
          offsetBytes: location.offsetBytes,
          chunk: { hash, lengthBytes: location.lengthBytes },
        },
      );
    }
    if (reads.length > 0) yield { from, read: readAll(source, reads) };
  }

  private async send(
    stream: BidiStream,
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
      await stream.write(joined);
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
        this.servedBytes += bytes.length;
        if (bytes.length >= COPY_BELOW_BYTES) {
          await flush();
          await stream.write(bytes);
          continue;
        }
        gathered.push(bytes);
      }
      gatheredBytes += bytes?.length ?? 0;
      if (gatheredBytes >= WRITE_BYTES) await flush();
    }
    this.lastServed = performance.now();
    await flush();
  }
}

function readAll(
  source: ChunkSource | undefined,
  reads: readonly (ReadChunk | undefined)[],
): () => Promise<readonly (Uint8Array | undefined)[]> {
  return async () => {
    const there = reads.filter((read) => read !== undefined);
    const found = source === undefined || there.length === 0 ? [] : await source.disk.readChunks(there);
    let i = 0;
    return reads.map((read) => (read === undefined ? undefined : found[i++]));
  };
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}
