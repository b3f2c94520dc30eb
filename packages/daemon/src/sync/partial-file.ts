import type { ChunkRef } from '../core/model/file-entry.js';
import type { ContentHash } from '../core/model/identifiers.js';
import type { ContentIndex } from '../core/ports/content-index.js';
import type { DiskError, FolderDisk, WriteChunk } from '../core/ports/folder-disk.js';
import type { FileContent } from './content-fetch.js';

export interface PartialFileDependencies {
  readonly index: Pick<ContentIndex, 'heldChunk'>;
  readonly disk: FolderDisk;
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

const COPY_BATCH = 256;
const WRITE_BATCH_BYTES = 4 * 1024 * 1024;

interface Queued {
  readonly write: WriteChunk;
  readonly resolve: (outcome: 'written' | 'wrong-hash') => void;
  readonly reject: (error: unknown) => void;
}

/** A file of many chunks on its way: takes what is on this disk already, then what peers send, in any order. */
export class PartialFile {
  private readonly offsets = new Map<ContentHash, number[]>();
  private readonly missing = new Set<ContentHash>();
  private queue: Queued[] = [];
  private writing = false;
  private done = 0;

  constructor(
    readonly content: FileContent,
    private readonly deps: PartialFileDependencies,
  ) {}

  get bytesDone(): number {
    return this.done;
  }

  /** Opens the partial, fills in what this disk has, and returns the chunks that peers must send, each once. */
  async prepare(): Promise<readonly ChunkRef[]> {
    const opened = await this.deps.disk.openPartial(this.content);
    if (!opened.ok) throw new PartialFileError(opened.error);
    let offset = 0;
    const lacking: { chunk: ChunkRef; offsetBytes: number }[] = [];
    for (const [i, chunk] of this.content.chunks.entries()) {
      if (opened.value.present[i]) this.done += chunk.lengthBytes;
      else lacking.push({ chunk, offsetBytes: offset });
      offset += chunk.lengthBytes;
    }
    const remote = await this.copyLocal(lacking);
    const wanted: ChunkRef[] = [];
    for (const { chunk, offsetBytes } of remote) {
      const places = this.offsets.get(chunk.hash);
      if (places !== undefined) places.push(offsetBytes);
      else {
        this.offsets.set(chunk.hash, [offsetBytes]);
        this.missing.add(chunk.hash);
        wanted.push(chunk);
      }
    }
    return wanted;
  }

  /** Writes a chunk at every place it belongs. `complete` when it was the last that was missing. */
  async write(chunk: ChunkRef, bytes: Uint8Array): Promise<'written' | 'wrong-hash' | 'complete'> {
    const places = this.offsets.get(chunk.hash) ?? [];
    const outcomes = await Promise.all(
      places.map((offsetBytes, i) =>
        this.enqueue({ offsetBytes, chunk, bytes: i === places.length - 1 ? bytes : bytes.slice() }),
      ),
    );
    if (outcomes.includes('wrong-hash')) return 'wrong-hash';
    this.done += chunk.lengthBytes * places.length;
    this.missing.delete(chunk.hash);
    return this.missing.size === 0 ? 'complete' : 'written';
  }

  /** Checks the whole file and flushes it. A file whose parts do not add up is thrown away. */
  async finish(): Promise<'complete' | 'wrong-hash'> {
    const finished = await this.deps.disk.finishPartial(this.content);
    if (!finished.ok) throw new PartialFileError(finished.error);
    if (finished.value === 'wrong-hash') await this.deps.disk.discardPartial(this.content.hash);
    return finished.value;
  }

  private async copyLocal(
    lacking: readonly { chunk: ChunkRef; offsetBytes: number }[],
  ): Promise<typeof lacking> {
    const remote: { chunk: ChunkRef; offsetBytes: number }[] = [];
    let copies: {
      from: { path: Parameters<FolderDisk['copyChunks']>[1][number]['from']['path']; offsetBytes: number };
      offsetBytes: number;
      chunk: ChunkRef;
    }[] = [];
    const flush = async () => {
      const copied = copies.length === 0 ? [] : await this.deps.disk.copyChunks(this.content.hash, copies);
      for (const [i, copy] of copies.entries()) {
        if (copied[i]) this.done += copy.chunk.lengthBytes;
        else remote.push(copy);
      }
      copies = [];
    };
    for (const { chunk, offsetBytes } of lacking) {
      const [place] = this.deps.index.heldChunk(chunk.hash, 1);
      if (place === undefined) remote.push({ chunk, offsetBytes });
      else copies.push({ from: { path: place.path, offsetBytes: place.offsetBytes }, offsetBytes, chunk });
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
