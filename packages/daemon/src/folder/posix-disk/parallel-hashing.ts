import type { ChunkRef } from '../../core/model/file-entry.js';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { DiskResult, FileStat, HashedFile } from '../../core/ports/folder-disk.js';
import type { ByteRange } from './file-hashing.js';
import type { ChunkedRange } from './range-hashing.js';

/**
 * What hashing in parts asks of the threads: the front one is that for short calls, the back one that for long ones. Each
 * call takes some ten milliseconds.
 */
export interface PartHashing {
  chunkFront(range: ByteRange): Promise<DiskResult<ChunkedRange>>;
  /** Goes on with the whole file's hash, of which all before the range must have been seen. */
  hashBack(range: ByteRange): Promise<DiskResult<{ readonly stat: FileStat }>>;
  /** Both in one: chunks of the range, and the whole file's hash, which is in the reply at the end of the file. */
  chunkBack(range: ByteRange): Promise<DiskResult<ChunkedRange>>;
  isAborted(): boolean;
}

/** Files from here on are worth two threads. */
export const PARALLEL_MIN_BYTES = 32 * 1024 * 1024;
/** What one call cuts and hashes: short enough that others do not wait long behind it. */
const PIECE_BYTES = 16 * 1024 * 1024;
/** The back thread hashes the file as a whole besides, so its part of the chunks is the smaller one. Measured. */
const FRONT_SHARE = 0.62;

type Failure = Extract<DiskResult<never>, { ok: false }>;
type ChunkPiece = (range: ByteRange) => Promise<DiskResult<ChunkedRange>>;

/**
 * Chunks and hashes of a large file by two threads at once, the same as one would find: where a chunk may end depends only
 * on where it begins, so two rows of chunks are one from the first place on that both end a chunk at.
 */
export async function hashInParts(sizeBytes: number, hashing: PartHashing): Promise<DiskResult<HashedFile>> {
  const splitBytes = Math.floor(sizeBytes * FRONT_SHARE);
  const reading = new PartReading(hashing);
  const front: Part = { chunks: [], endBytes: 0, hash: undefined };
  const back: Part = { chunks: [], endBytes: splitBytes, hash: undefined };
  const chunkFront: ChunkPiece = (range) => hashing.chunkFront(range);
  await Promise.all([
    reading.extend(front, splitBytes, chunkFront),
    reading.hash(splitBytes).then(() => reading.extend(back, sizeBytes, (range) => hashing.chunkBack(range))),
  ]);
  let rest = chunksFrom(back, splitBytes, front.endBytes);
  while (rest === undefined && reading.failure === undefined) {
    await reading.extend(front, Math.min(sizeBytes, front.endBytes + 1), chunkFront);
    rest = chunksFrom(back, splitBytes, front.endBytes);
  }
  if (reading.failure !== undefined) return reading.failure;
  const { stat } = reading;
  if (rest === undefined || stat === undefined || back.hash === undefined) return changed();
  const chunks = [...front.chunks, ...rest];
  return { ok: true, value: { stat, content: { type: 'file', sizeBytes, hash: back.hash, chunks } } };
}

interface Part {
  readonly chunks: ChunkRef[];
  endBytes: number;
  hash: ContentHash | undefined;
}

/** Reads piece after piece, until one fails, hashing is given up, or the file was another between two pieces. */
class PartReading {
  stat: FileStat | undefined;
  failure: Failure | undefined;

  constructor(private readonly hashing: Pick<PartHashing, 'hashBack' | 'isAborted'>) {}

  async hash(untilBytes: number): Promise<void> {
    for (let fromBytes = 0; fromBytes < untilBytes; fromBytes += PIECE_BYTES) {
      const range = { fromBytes, untilBytes: Math.min(untilBytes, fromBytes + PIECE_BYTES) };
      if ((await this.read(() => this.hashing.hashBack(range))) === undefined) return;
    }
  }

  async extend(part: Part, untilBytes: number, chunkPiece: ChunkPiece): Promise<void> {
    while (part.endBytes < untilBytes) {
      const range = {
        fromBytes: part.endBytes,
        untilBytes: Math.min(untilBytes, part.endBytes + PIECE_BYTES),
      };
      const piece = await this.read(() => chunkPiece(range));
      if (piece === undefined) return;
      for (const chunk of piece.chunks) part.chunks.push(chunk);
      part.endBytes = piece.endBytes;
      part.hash = piece.hash;
    }
  }

  private async read<Piece extends { readonly stat: FileStat }>(
    call: () => Promise<DiskResult<Piece>>,
  ): Promise<Piece | undefined> {
    if (this.hashing.isAborted()) this.failure ??= aborted();
    if (this.failure !== undefined) return undefined;
    const piece = await call();
    if (!piece.ok) {
      this.failure ??= piece;
      return undefined;
    }
    const { stat } = piece.value;
    this.stat ??= stat;
    if (stat.ctimeNs !== this.stat.ctimeNs || stat.mtimeNs !== this.stat.mtimeNs) this.failure ??= changed();
    return this.failure === undefined ? piece.value : undefined;
  }
}

/** The chunks of the back part that follow `fromBytes`; undefined when none of them begins just there. */
function chunksFrom(
  { chunks, endBytes }: Part,
  startBytes: number,
  fromBytes: number,
): readonly ChunkRef[] | undefined {
  if (fromBytes === endBytes) return [];
  let at = startBytes;
  for (const [i, { lengthBytes }] of chunks.entries()) {
    if (at === fromBytes) return chunks.slice(i);
    if (at > fromBytes) return undefined;
    at += lengthBytes;
  }
  return undefined;
}

function aborted(): Failure {
  return { ok: false, error: { code: 'aborted', message: 'hashing was given up' } };
}

function changed(): Failure {
  return { ok: false, error: { code: 'changed-meanwhile', message: 'the file changed while it was read' } };
}
