import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Content } from '../../core/model/file-entry.js';
import type { ContentHash } from '../../core/model/identifiers.js';
import type { DirectoryPath, RelativePath } from '../../core/model/relative-path.js';
import type {
  AreaPath,
  CopyChunk,
  DirectoryListing,
  DiskResult,
  DiskStep,
  FileStat,
  FolderDisk,
  HashedFile,
  ReadChunk,
  StepResult,
  WriteChunk,
} from '../../core/ports/folder-disk.js';
import type { HistoryArea } from '../../core/ports/history-area.js';
import { handOver, handOverSteps } from './call-buffers.js';
import { cutBatch } from './call-pieces.js';
import { AREA_NAME } from './directory-access.js';
import { MAX_STATS_A_PIECE } from './directory-listing.js';
import type { DiskCall, ReplyTo } from './disk-calls.js';
import { DiskThreads, type DiskThreadsOptions, type Lane } from './disk-threads.js';
import { HashedAhead, type Touched, type WatchedPartial } from './hashed-ahead.js';
import { unpackListing } from './listing-unpacking.js';
import { hashInParts, PARALLEL_MIN_BYTES } from './parallel-hashing.js';
import { unpackReplies } from './step-replies.js';

type FileContent = Content & { type: 'file' };

/** What one short call may take: items, and bytes read or written. Some ten milliseconds of a thread. */
const PIECE = { items: 256, bytes: 8 * 1024 * 1024 };
const PIECE_OF_STATS = { items: MAX_STATS_A_PIECE, bytes: Number.POSITIVE_INFINITY };
/** From here on a call goes to the thread for long ones. */
const LONG_BYTES = 16 * 1024 * 1024;

export interface FolderDiskOptions extends DiskThreadsOptions {
  /** The folder, absolute. May be a link itself; nothing below it is followed. */
  readonly rootPath: string;
  /** Threads that are shared with other folders' disks; then `close` leaves them running. */
  readonly sharedThreads?: DiskThreads;
}

/** A folder's disk that can be closed. */
export interface ClosableFolderDisk extends FolderDisk {
  readonly history: HistoryArea;
  close(): Promise<void>;
}

/** The folder must have its marker, see {@link createArea}: without it every operation fails with `root-missing`. */
export function createFolderDisk(options: FolderDiskOptions): ClosableFolderDisk {
  const threads = options.sharedThreads ?? new DiskThreads(options);
  return new PosixFolderDisk(options.rootPath, threads, options.sharedThreads === undefined);
}

/**
 * Makes `.landropic/`, the folder's own area and at the same time the marker that the folder is really there. Only ever
 * when a folder is added: an unplugged disk's mount point must not get one.
 */
export function createArea(rootPath: string): void {
  mkdirSync(join(rootPath, AREA_NAME, 'tmp'), { recursive: true, mode: 0o700 });
  mkdirSync(join(rootPath, AREA_NAME, 'history'), { recursive: true, mode: 0o700 });
}

class PosixFolderDisk implements ClosableFolderDisk {
  readonly #hashedAhead = new HashedAhead();
  readonly history: HistoryArea = {
    takeCopy: (area, sizeBytes) => this.#call(laneFor(sizeBytes), { op: 'take-history-copy', area }),
    remove: (areas) =>
      this.#eachPiece(
        cutBatch(areas, PIECE, () => 0),
        (piece) => this.#call('short', { op: 'remove-history', areas: piece }),
        (_piece, failure) => failure,
      ),
    list: (limit) => this.#call('long', { op: 'list-history', limit }),
  };

  constructor(
    private readonly rootPath: string,
    private readonly threads: DiskThreads,
    private readonly ownsThreads: boolean,
  ) {}

  async list(directory: DirectoryPath): Promise<DiskResult<DirectoryListing>> {
    const listed = await this.#call('short', { op: 'list', directory });
    if (!listed.ok) return listed;
    const listing = unpackListing(listed.value);
    const { rest } = listed.value;
    if (rest.length === 0) return { ok: true, value: listing };
    const entries = [...listing.entries];
    for (const names of cutBatch(rest, PIECE_OF_STATS, () => 0)) {
      const piece = await this.#call('short', { op: 'stat-names', directory, names });
      if (!piece.ok) return piece;
      const more = unpackListing(piece.value);
      if (more.stat.inode !== listing.stat.inode) {
        return {
          ok: false,
          error: { code: 'changed-meanwhile', message: 'another directory stands there now' },
        };
      }
      for (const entry of more.entries) entries.push(entry);
    }
    return { ok: true, value: { ...listing, entries } };
  }

  stat(paths: readonly RelativePath[]): Promise<readonly DiskResult<FileStat | undefined>[]> {
    return this.#eachPiece(
      cutBatch(paths, PIECE_OF_STATS, () => 0),
      (piece) => this.#call('short', { op: 'stat', paths: piece }),
      (_piece, failure) => failure,
    );
  }

  async hash(path: RelativePath, expected: FileStat, signal: AbortSignal): Promise<DiskResult<HashedFile>> {
    if (signal.aborted) return { ok: false, error: { code: 'aborted', message: 'hashing was given up' } };
    const abort = new Int32Array(new SharedArrayBuffer(4));
    const onAbort = () => Atomics.store(abort, 0, 1);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (expected.sizeBytes >= PARALLEL_MIN_BYTES) return await this.#hashInParts(path, expected, abort);
      const lane = expected.sizeBytes > PIECE.bytes ? 'long' : 'short';
      return await this.#call(lane, { op: 'hash', path, expected, abort });
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #hashInParts(path: RelativePath, expected: FileStat, abort: Int32Array): Promise<DiskResult<HashedFile>> {
    const hashing = this.threads.nextHashing();
    return hashInParts(expected.sizeBytes, {
      chunkFront: (range) =>
        this.#call('short', { op: 'chunk-range', path, expected, range, hashing: undefined }),
      hashBack: (range) => this.#call('long', { op: 'hash-range', path, expected, range, hashing }),
      chunkBack: (range) => this.#call('long', { op: 'chunk-range', path, expected, range, hashing }),
      isAborted: () => Atomics.load(abort, 0) !== 0,
    });
  }

  hashSmall(
    files: readonly { path: RelativePath; expected: FileStat }[],
  ): Promise<readonly DiskResult<HashedFile>[]> {
    return this.#eachPiece(
      cutBatch(files, PIECE, ({ expected }) => expected.sizeBytes),
      (piece) => this.#call('short', { op: 'hash-small', files: piece }),
      (_piece, failure) => failure,
    );
  }

  async readChunks(
    requests: readonly ReadChunk[],
    into?: SharedArrayBuffer,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const chunks: (Uint8Array | undefined)[] = [];
    const pieces = [...cutBatch(requests, PIECE, ({ chunk }) => chunk.lengthBytes)];
    for (const piece of pieces) {
      const call = {
        op: 'read-chunks',
        requests: piece,
        into: pieces.length === 1 ? into : undefined,
      } as const;
      const read = await this.#call('short', call);
      for (const [i, { chunk }] of piece.entries()) {
        const at = read.ok ? (read.value.offsets[i] ?? -1) : -1;
        chunks.push(read.ok && at >= 0 ? read.value.bytes.subarray(at, at + chunk.lengthBytes) : undefined);
      }
    }
    return chunks;
  }

  async openPartial(content: FileContent): Promise<DiskResult<{ readonly present: readonly boolean[] }>> {
    const opened = await this.#call(laneFor(content.sizeBytes), { op: 'open-partial', content });
    if (!opened.ok) return opened;
    const { present, ctimeNs } = opened.value;
    // Where they are opened, hashed and finished is one thread for large ones only.
    if (laneFor(content.sizeBytes) === 'long') this.#hashedAhead.opened(content.hash, ctimeNs);
    return { ok: true, value: { present } };
  }

  writeChunks(
    hash: ContentHash,
    writes: readonly WriteChunk[],
  ): Promise<readonly DiskResult<'written' | 'wrong-hash'>[]> {
    return this.#eachPiece(
      cutBatch(writes, PIECE, ({ bytes }) => bytes.length),
      async (piece) => {
        const { values, transfer } = handOver(piece);
        const call = { op: 'write-chunks', hash, writes: values } as const;
        const reply = await this.#watchWrite(hash, piece, () => this.#call('short', call, transfer));
        return reply.ok ? { ok: true, value: reply.value.results } : reply;
      },
      (_piece, failure) => failure,
    );
  }

  async copyChunks(hash: ContentHash, copies: readonly CopyChunk[]): Promise<readonly boolean[]> {
    const copied: boolean[] = [];
    for (const piece of cutBatch(copies, PIECE, ({ chunk }) => chunk.lengthBytes)) {
      const call = { op: 'copy-chunks', hash, copies: piece } as const;
      const reply = await this.#watchWrite(hash, piece, () => this.#call('short', call));
      for (const i of piece.keys()) copied.push(reply.ok && reply.value.copied[i] === true);
    }
    return copied;
  }

  finishPartial(content: FileContent): Promise<DiskResult<'complete' | 'wrong-hash'>> {
    const soundAtNs = this.#hashedAhead.take(content.hash)?.soundAtNs;
    return this.#call(laneFor(content.sizeBytes), { op: 'finish-partial', content, soundAtNs });
  }

  async hashAhead(hash: ContentHash, untilBytes: number): Promise<void> {
    const partial = this.#hashedAhead.get(hash);
    if (partial === undefined) return;
    for (;;) {
      // It may be finished or discarded meanwhile.
      const isThere = this.#hashedAhead.get(hash) === partial;
      const range = isThere ? partial.extend(untilBytes) : undefined;
      if (range === undefined) return;
      await giveUpUnless(partial, this.#call('long', { op: 'hash-ahead', hash, range }));
    }
  }

  async discardPartial(hash: ContentHash): Promise<void> {
    const lane = this.#hashedAhead.take(hash) === undefined ? 'short' : 'long';
    await this.#call(lane, { op: 'discard-partial', hash });
  }

  async listPartials(): Promise<readonly ContentHash[]> {
    const listed = await this.#call('short', { op: 'list-partials' });
    return listed.ok ? listed.value : [];
  }

  async run(items: readonly DiskStep[][]): Promise<readonly StepResult[][]> {
    const results: StepResult[][] = [];
    for (const piece of cutBatch(items, PIECE, bytesOfItem)) {
      const lane = laneFor(piece.reduce((sum, steps) => sum + bytesOfItem(steps), 0));
      const { items: handedOver, transfer } = handOverSteps(piece);
      const reply = await this.#call(lane, { op: 'run', items: handedOver }, transfer);
      const replies = reply.ok ? unpackReplies(reply.value) : piece.map(() => [reply]);
      for (const steps of replies) results.push(steps);
    }
    return results;
  }

  flushDirectories(
    directories: readonly (DirectoryPath | { readonly area: AreaPath })[],
  ): Promise<DiskResult<undefined>> {
    return this.#call('short', { op: 'flush-directories', directories });
  }

  freeBytes(): Promise<DiskResult<{ readonly freeBytes: number; readonly totalBytes: number }>> {
    return this.#call('short', { op: 'measure-space' });
  }

  async close(): Promise<void> {
    if (this.ownsThreads) await this.threads.close();
  }

  #call<Call extends DiskCall>(
    lane: Lane,
    call: Call,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<DiskResult<ReplyTo<Call>>> {
    return this.threads.call(lane, this.rootPath, call, transfer);
  }

  /** A partial that was hashed ahead is hashed again when something writes where it was. */
  async #watchWrite<Reply extends { readonly touched: Touched | undefined }>(
    hash: ContentHash,
    writes: readonly { readonly offsetBytes: number }[],
    write: () => Promise<DiskResult<Reply>>,
  ): Promise<DiskResult<Reply>> {
    const fromBytes = writes.reduce((least, { offsetBytes }) => Math.min(least, offsetBytes), Infinity);
    const end = this.#hashedAhead.get(hash)?.beginWrite(fromBytes);
    let touched: Touched | undefined;
    try {
      const reply = await write();
      if (reply.ok) touched = reply.value.touched;
      return reply;
    } finally {
      end?.(touched);
    }
  }

  /** Results in order, piece after piece; a piece that failed as a whole counts as a failure of each of its parts. */
  async #eachPiece<Item, Result>(
    pieces: Iterable<readonly Item[]>,
    call: (piece: readonly Item[]) => Promise<DiskResult<readonly Result[]>>,
    fail: (piece: readonly Item[], failure: DiskResult<never>) => Result,
  ): Promise<readonly Result[]> {
    const results: Result[] = [];
    for (const piece of pieces) {
      const reply = await call(piece);
      for (const result of reply.ok ? reply.value : piece.map(() => fail(piece, reply))) results.push(result);
    }
    return results;
  }
}

async function giveUpUnless(partial: WatchedPartial, hashed: Promise<DiskResult<undefined>>): Promise<void> {
  let isHashed = false;
  try {
    isHashed = (await hashed).ok;
  } finally {
    if (!isHashed) partial.giveUp();
  }
}

function laneFor(sizeBytes: number): Lane {
  return sizeBytes > LONG_BYTES ? 'long' : 'short';
}

/** Bytes that an item's steps read or write, as far as the steps tell. */
function bytesOfItem(steps: readonly DiskStep[]): number {
  let bytes = 0;
  for (const step of steps) {
    if (step.op === 'write-temp') bytes += step.bytes.length;
    else if (step.op === 'copy-to-temp') bytes += step.sizeBytes ?? 0;
    else if (step.op === 'expect' && step.hash !== undefined) bytes += step.stat?.sizeBytes ?? 0;
  }
  return bytes;
}
