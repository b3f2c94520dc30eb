import type { ChunkRef } from '../core/model/file-entry.js';
import type { ContentHash } from '../core/model/identifiers.js';
import type { ContentIndex } from '../core/ports/content-index.js';
import type { CopyChunk, DiskError, FolderDisk, WriteChunk } from '../core/ports/folder-disk.js';
import { VerifiedPrefix } from '../core/transfer/verified-prefix.js';
import type { FileContent } from './content-fetch.js';

export interface PartialFileDependencies {
  readonly index: Pick<ContentIndex, 'heldChunk'>;
  readonly disk: FolderDisk;
}

export interface PartialFileOptions {
  /** Files from here on are hashed while they arrive. Default 32 MiB. */
  readonly hashAheadMinBytes?: number;
  /** How much must have come since before the disk is asked to hash on. Default 16 MiB. */
  readonly hashAheadStepBytes?: number;
}

/** The disk's error as something to throw inside a fetch. */
export class PartialFileError extends Error {
  override readonly name = 'PartialFileError';
  readonly code: string;
  constructor(error: DiskError) {
    super(error.message);
    this.code = error.code;
  }
}

const HASH_AHEAD_MIN_BYTES = 32 * 1024 * 1024;
const HASH_AHEAD_STEP_BYTES = 16 * 1024 * 1024;
const COPY_BATCH = 256;
const WRITE_BATCH_BYTES = 4 * 1024 * 1024;

/** A chunk at one of the places where the file has it. */
interface Place {
  readonly chunk: ChunkRef;
  readonly index: number;
  readonly offsetBytes: number;
}

interface Queued {
  readonly write: WriteChunk;
  readonly resolve: (outcome: 'written' | 'wrong-hash') => void;
  readonly reject: (error: unknown) => void;
}

/** A file of many chunks on its way: takes what is on this disk already, then what peers send, in any order. */
export class PartialFile {
  private readonly places = new Map<ContentHash, Place[]>();
  private readonly missing = new Set<ContentHash>();
  private queue: Queued[] = [];
  private writing = false;
  private done = 0;
  private readonly prefix: VerifiedPrefix;
  private readonly hashAheadStepBytes: number;
  private hashedBytes = 0;
  private hashing = false;

  constructor(
    readonly content: FileContent,
    private readonly deps: PartialFileDependencies,
    options: PartialFileOptions = {},
  ) {
    this.prefix = new VerifiedPrefix(content.chunks);
    const isLarge = content.sizeBytes >= (options.hashAheadMinBytes ?? HASH_AHEAD_MIN_BYTES);
    const stepBytes = options.hashAheadStepBytes ?? HASH_AHEAD_STEP_BYTES;
    this.hashAheadStepBytes = isLarge ? stepBytes : Number.POSITIVE_INFINITY;
  }

  get bytesDone(): number {
    return this.done;
  }

  /** Opens the partial, fills in what this disk has, and returns the chunks that peers must send, each once. */
  async prepare(): Promise<readonly ChunkRef[]> {
    const opened = await this.deps.disk.openPartial(this.content);
    if (!opened.ok) throw new PartialFileError(opened.error);
    let offsetBytes = 0;
    const lacking: Place[] = [];
    for (const [index, chunk] of this.content.chunks.entries()) {
      const place = { chunk, index, offsetBytes };
      if (opened.value.present[index]) this.placed(place);
      else lacking.push(place);
      offsetBytes += chunk.lengthBytes;
    }
    this.hashAhead();
    const remote = await this.copyLocal(lacking);
    const wanted: ChunkRef[] = [];
    for (const place of remote) {
      const { chunk } = place;
      const places = this.places.get(chunk.hash);
      if (places !== undefined) places.push(place);
      else {
        this.places.set(chunk.hash, [place]);
        this.missing.add(chunk.hash);
        wanted.push(chunk);
      }
    }
    return wanted;
  }

  /** Writes a chunk at every place it belongs. `complete` when it was the last that was missing. */
  async write(chunk: ChunkRef, bytes: Uint8Array): Promise<'written' | 'wrong-hash' | 'complete'> {
    const places = this.places.get(chunk.hash) ?? [];
    // A disk thread takes what it is given: each place but the last needs a copy, and a file of zeros has thousands.
    const copiesAtOnce = Math.max(1, Math.floor(WRITE_BATCH_BYTES / chunk.lengthBytes));
    for (let from = 0; from < places.length; from += copiesAtOnce) {
      const batch = places.slice(from, from + copiesAtOnce);
      const isLast = from + batch.length === places.length;
      const outcomes = await Promise.all(
        batch.map(({ offsetBytes }, i) =>
          this.enqueue({
            offsetBytes,
            chunk,
            bytes: isLast && i === batch.length - 1 ? bytes : bytes.slice(),
          }),
        ),
      );
      if (outcomes.includes('wrong-hash')) return 'wrong-hash';
      for (const place of batch) this.placed(place);
    }
    this.missing.delete(chunk.hash);
    if (this.missing.size === 0) return 'complete';
    this.hashAhead();
    return 'written';
  }

  /** Checks the whole file and flushes it. A file whose parts do not add up is thrown away. */
  async finish(): Promise<'complete' | 'wrong-hash'> {
    const finished = await this.deps.disk.finishPartial(this.content);
    if (!finished.ok) throw new PartialFileError(finished.error);
    if (finished.value === 'wrong-hash') await this.deps.disk.discardPartial(this.content.hash);
    return finished.value;
  }

  private placed({ chunk, index }: Place): void {
    this.done += chunk.lengthBytes;
    this.prefix.add(index);
  }

  /** Whatever comes of it: {@link finish} does what was not done. */
  private hashAhead(): void {
    const untilBytes = this.prefix.bytes;
    if (this.hashing || untilBytes - this.hashedBytes < this.hashAheadStepBytes) return;
    this.hashing = true;
    this.hashedBytes = untilBytes;
    this.deps.disk.hashAhead(this.content.hash, untilBytes).then(
      () => {
        this.hashing = false;
        if (this.missing.size > 0) this.hashAhead();
      },
      () => {},
    );
  }

  private async copyLocal(lacking: readonly Place[]): Promise<readonly Place[]> {
    const remote: Place[] = [];
    let copies: (Place & CopyChunk)[] = [];
    const flush = async () => {
      const copied = copies.length === 0 ? [] : await this.deps.disk.copyChunks(this.content.hash, copies);
      for (const [i, copy] of copies.entries()) {
        if (copied[i]) this.placed(copy);
        else remote.push(copy);
      }
      copies = [];
      this.hashAhead();
    };
    for (const place of lacking) {
      const [held] = this.deps.index.heldChunk(place.chunk.hash, 1);
      if (held === undefined) remote.push(place);
      else copies.push({ ...place, from: { path: held.path, offsetBytes: held.offsetBytes } });
      if (copies.length >= COPY_BATCH) await flush();
    }
    await flush();
    return remote;
  }

  private enqueue(write: WriteChunk): Promise<'written' | 'wrong-hash'> {
    return new Promise((resolve, reject) => {
      this.queue.push({ write, resolve, reject });
      if (!this.writing) void this.drain();
    });
  }

  /** One write call at a time, each with all that arrived during the one before. */
  private async drain(): Promise<void> {
    this.writing = true;
    while (this.queue.length > 0) {
      const batch = this.takeBatch();
      try {
        const results = await this.deps.disk.writeChunks(
          this.content.hash,
          batch.map((queued) => queued.write),
        );
        for (const [i, queued] of batch.entries()) {
          const result = results[i];
          if (result?.ok) queued.resolve(result.value);
          else
            queued.reject(
              new PartialFileError(result?.error ?? { code: 'EIO', message: 'no result of a write' }),
            );
        }
      } catch (error) {
        for (const queued of batch) queued.reject(error);
      }
    }
    this.writing = false;
  }

  private takeBatch(): Queued[] {
    let bytes = 0;
    let count = 0;
    for (const queued of this.queue) {
      if (count > 0 && bytes + queued.write.bytes.length > WRITE_BATCH_BYTES) break;
      bytes += queued.write.bytes.length;
      count++;
    }
    return this.queue.splice(0, count);
  }
}
