import type { ChunkRef } from '../../core/model/file-entry.js';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { DiskResult, FileStat, HashedFile } from '../../core/ports/folder-disk.js';
import type { ByteRange } from './file-hashing.js';
import type { ChunkedRange } from './range-hashing.js';

/** What hashing in parts asks of the threads: one of them for short calls, the other for long ones. */
export interface PartHashing {
  /** One call of some ten milliseconds. */
  chunkRange(thread: 'front' | 'back', range: ByteRange): Promise<DiskResult<ChunkedRange>>;
  /** On the back thread. */
  hashWhole(): Promise<DiskResult<{ readonly stat: FileStat; readonly hash: ContentHash }>>;
  isAborted(): boolean;
}

/** Files from here on are worth two threads. */
export const PARALLEL_MIN_BYTES = 32 * 1024 * 1024;
/** What one call cuts and hashes: short enough that others do not wait long behind it. */
const PIECE_BYTES = 16 * 1024 * 1024;
/** The back thread hashes the file as a whole besides, so its part of the chunks is the smaller one. */
const FRONT_SHARE = 0.62;

interface Part {
  readonly chunks: ChunkRef[];
  endBytes: number;
}

type Failure = Extract<DiskResult<never>, { ok: false }>;

/**
 * Chunks and hashes of a large file by two threads at once, the same as one would find: where a chunk may end depends only
 * on where it begins, so two rows of chunks are one from the first place on that both end a chunk at.
 */
export async function hashInParts(sizeBytes: number, hashing: PartHashing): Promise<DiskResult<HashedFile>> {
  const seen: FileStat[] = [];
  const splitBytes = Math.floor(sizeBytes * FRONT_SHARE);
  const extend = async (
    thread: 'front' | 'back',
    part: Part,
    untilBytes: number,
  ): Promise<Failure | undefined> => {
    while (part.endBytes < untilBytes) {
      if (hashing.isAborted()) return aborted();
      const range = {
        fromBytes: part.endBytes,
        untilBytes: Math.min(untilBytes, part.endBytes + PIECE_BYTES),
      };
      const piece = await hashing.chunkRange(thread, range);
      if (!piece.ok) return piece;
      seen.push(piece.value.stat);
      for (const chunk of piece.value.chunks) part.chunks.push(chunk);
      part.endBytes = piece.value.endBytes;
    }
    return undefined;
  };
  const front: Part = { chunks: [], endBytes: 0 };
  const back: Part = { chunks: [], endBytes: splitBytes };
  const [whole, failedFront, failedBack] = await Promise.all([
    hashing.hashWhole(),
    extend('front', front, splitBytes),
    extend('back', back, sizeBytes),
  ]);
  const failed = failedFront ?? failedBack ?? (whole.ok ? undefined : whole);
  if (failed !== undefined || !whole.ok) return failed ?? aborted();
  let rest = chunksFrom(back, splitBytes, front.endBytes);
  while (rest === undefined) {
    const failure = await extend('front', front, Math.min(sizeBytes, front.endBytes + 1));
    if (failure !== undefined) return failure;
    rest = chunksFrom(back, splitBytes, front.endBytes);
  }
  const { stat, hash } = whole.value;
  if (!seen.every((other) => other.ctimeNs === stat.ctimeNs && other.mtimeNs === stat.mtimeNs))
    return changed();
  return {
    ok: true,
    value: { stat, content: { type: 'file', sizeBytes, hash, chunks: [...front.chunks, ...rest] } },
  };
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
