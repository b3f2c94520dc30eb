import type { ChunkRef, Content } from '../core/model/file-entry.js';
import type { ContentHash, DeviceKey, FolderId } from '../core/model/identifiers.js';
import type { Problem } from '../core/model/problem.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Blake3 } from '../core/ports/clock.js';
import type { ContentIndex } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import { ChunkScheduler } from '../core/transfer/chunk-scheduler.js';
import { toHex } from '../core/wire/hex.js';
import { PartialFile } from './partial-file.js';

export type FileContent = Content & { type: 'file' };

/** One peer that chunks can be asked of. */
export interface ChunkSupplier {
  request(
    folder: FolderId,
    chunks: readonly ContentHash[],
    reply: {
      /** `release` is to be called, once, when the bytes are not needed any more. */
      chunk(index: number, bytes: Uint8Array, release: () => void): void;
      missing(index: number): void;
    },
    /** When it aborts, what was not answered is not wanted any more; whether it still comes is left open. */
    signal?: AbortSignal,
  ): void;
}

export type FetchResult =
  | {
      readonly ok: true;
      readonly source: { readonly kind: 'bytes'; readonly bytes: Uint8Array } | { readonly kind: 'partial' };
    }
  /** No connected peer has all of it now; asked again when one comes or tells of changes. */
  | { readonly ok: false; readonly why: 'unavailable' }
  | { readonly ok: false; readonly why: 'problem'; readonly problem: Problem; readonly diskFull: boolean };

export interface ContentFetchDependencies {
  readonly folder: FolderId;
  readonly index: ContentIndex;
  readonly disk: FolderDisk;
  readonly blake3: Blake3;
  /** Called once for every fetch that was started, whatever came of it. */
  readonly onDone: (content: FileContent, result: FetchResult) => void;
  /** True while what has come waits to be written: no more is asked for until {@link ContentFetch.resume}. */
  readonly isBehind: () => boolean;
  /** A peer sent bytes that are not what their hash says. */
  readonly onWrongBytes: (device: DeviceKey) => void;
}

export interface Progress {
  readonly path: RelativePath;
  readonly bytes: number;
  readonly bytesDone: number;
  readonly from: DeviceKey | undefined;
}

interface Fetch {
  readonly path: RelativePath;
  readonly content: FileContent;
  /** Undefined for a file of one chunk, which goes straight from memory into its temp. */
  readonly partial: PartialFile | undefined;
  from: DeviceKey | undefined;
}

/** One chunk that came, and what is known of it. */
interface Arrival {
  readonly requestId: number;
  readonly index: number;
  readonly chunk: ChunkRef;
  readonly bytes: Uint8Array;
  readonly release: () => void;
}

/** Bytes that may be on their way into this folder at once, asked for and not yet on disk. */
const MAX_BYTES_UNWRITTEN = 96 * 1024 * 1024;
/** Requests of one peer at once: enough to keep it busy, few enough that each is worth its while. */
const MAX_REQUESTS = 64;

/** Gets contents that this folder lacks: each once, whatever the number of paths that want it. */
export class ContentFetch {
  private readonly fetches = new Map<ContentHash, Fetch>();
  private readonly fetchesOfChunk = new Map<ContentHash, Set<Fetch>>();
  private readonly scheduler = new ChunkScheduler();
  private readonly suppliers = new Map<DeviceKey, ChunkSupplier>();
  /** Requests that a peer has not answered whole. */
  private readonly asked = new Map<DeviceKey, number>();
  /** Of each peer, by the scheduler's number of the request. */
  private readonly cancels = new Map<DeviceKey, Map<number, AbortController>>();
  private unwrittenBytes = 0;
  private pumping = false;

  constructor(private readonly deps: ContentFetchDependencies) {}

  get active(): number {
    return this.fetches.size;
  }

  isFetching(hash: ContentHash): boolean {
    return this.fetches.has(hash);
  }

  progress(): readonly Progress[] {
    return [...this.fetches.values()].map(({ path, content, partial, from }) => ({
      path,
      bytes: content.sizeBytes,
      bytesDone: partial?.bytesDone ?? 0,
      from,
    }));
  }

  /** Starts on one content; its first path is named in `status`. A content already on its way is left alone. */
  start(path: RelativePath, content: FileContent): void {
    if (this.fetches.has(content.hash)) return;
    const [first] = content.chunks;
    if (first !== undefined && content.chunks.length === 1) {
      const fetch: Fetch = { path, content, partial: undefined, from: undefined };
      this.fetches.set(content.hash, fetch);
      this.want(fetch, [first]);
      this.pump();
      return;
    }
    const partial = new PartialFile(content, this.deps);
    const fetch: Fetch = { path, content, partial, from: undefined };
    this.fetches.set(content.hash, fetch);
    partial.prepare().then(
      (missing) => this.prepared(fetch, missing),
      (error: unknown) => this.failed(fetch, error),
    );
  }

  /** Gives up a content that nothing wants any more. What came of it stays in its partial. */
  cancel(hash: ContentHash): void {
    const fetch = this.fetches.get(hash);
    if (fetch !== undefined) this.remove(fetch);
  }

  /** Ends all that is on its way, as what nobody has now. What came of it stays in its partial. */
  giveUpAll(): void {
    for (const fetch of [...this.fetches.values()]) {
      this.remove(fetch);
      this.deps.onDone(fetch.content, { ok: false, why: 'unavailable' });
    }
  }

  supplierUp(device: DeviceKey, supplier: ChunkSupplier): void {
    this.suppliers.set(device, supplier);
    this.asked.set(device, 0);
    this.cancels.set(device, new Map());
    this.scheduler.peerUp(device);
    this.pump();
  }

  supplierDown(device: DeviceKey): void {
    if (!this.suppliers.delete(device)) return;
    this.asked.delete(device);
    this.cancels.delete(device);
    this.unwrittenBytes -= this.scheduler.peerDown(device);
    this.pump();
  }

  /** There may be room again. */
  resume(): void {
    this.pump();
  }

  /** Asks for as much as memory allows, once all that is wanted in this turn is known: many chunks make one request. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    queueMicrotask(() => {
      this.pumping = false;
      for (const device of this.suppliers.keys()) this.askOf(device);
      this.reportExhausted();
    });
  }

  private askOf(device: DeviceKey): void {
    for (;;) {
      const asked = this.asked.get(device) ?? 0;
      const mayAsk =
        asked < MAX_REQUESTS && this.unwrittenBytes < MAX_BYTES_UNWRITTEN && !this.deps.isBehind();
      const request = mayAsk ? this.scheduler.next(device) : undefined;
      if (request === undefined) return;
      const { requestId, chunks } = request;
      const supplier = this.suppliers.get(device);
      let left = chunks.length;
      const cancels = this.cancels.get(device);
      const cancel = new AbortController();
      cancels?.set(requestId, cancel);
      this.asked.set(device, asked + 1);
      /** False for what a session that is over still delivers, and for what was cancelled. */
      const answered = (): boolean => {
        if (this.suppliers.get(device) !== supplier || cancel.signal.aborted) return false;
        if (--left > 0) return true;
        cancels?.delete(requestId);
        this.asked.set(device, (this.asked.get(device) ?? 1) - 1);
        return true;
      };
      for (const chunk of chunks) this.unwrittenBytes += chunk.lengthBytes;
      supplier?.request(
        this.deps.folder,
        chunks.map((chunk) => chunk.hash),
        {
          chunk: (index, bytes, release) => {
            const chunk = answered() ? chunks[index] : undefined;
            if (chunk === undefined) release();
            else this.arrived(device, { requestId, index, chunk, bytes, release });
          },
          missing: (index) => {
            if (answered()) this.missing(device, requestId, index, chunks[index]);
          },
        },
        cancel.signal,
      );
    }
  }

  private arrived(device: DeviceKey, arrival: Arrival): void {
    const { requestId, index, chunk, bytes, release } = arrival;
    const fetches = this.fetchesOfChunk.get(chunk.hash);
    if (bytes.length === chunk.lengthBytes && this.isRight(fetches, chunk, bytes)) {
      this.scheduler.received(device, requestId, index);
      this.fetchesOfChunk.delete(chunk.hash);
      this.deliver(device, fetches ?? new Set(), arrival);
    } else {
      release();
      this.unwrittenBytes -= chunk.lengthBytes;
      this.scheduler.wrong(device, requestId, index);
      this.deps.onWrongBytes(device);
    }
    this.pump();
  }

  /** Chunks of partials are checked where they are written, off this thread; what stays in memory is checked here. */
  private isRight(fetches: ReadonlySet<Fetch> | undefined, chunk: ChunkRef, bytes: Uint8Array): boolean {
    let inMemory = false;
    for (const fetch of fetches ?? []) inMemory ||= fetch.partial === undefined;
    return !inMemory || toHex(this.deps.blake3(bytes)) === chunk.hash;
  }

  private deliver(device: DeviceKey, fetches: ReadonlySet<Fetch>, { chunk, bytes, release }: Arrival): void {
    let pending = 1;
    const written = (wrong: boolean) => {
      if (wrong) this.deps.onWrongBytes(device);
      if (--pending > 0) return;
      release();
      this.unwrittenBytes -= chunk.lengthBytes;
      this.pump();
    };
    const partials: Fetch[] = [];
    for (const fetch of fetches) {
      fetch.from = device;
      if (fetch.partial !== undefined) partials.push(fetch);
      else {
        this.remove(fetch);
        this.deps.onDone(fetch.content, { ok: true, source: { kind: 'bytes', bytes: ownCopy(bytes) } });
      }
    }
    // Whoever writes takes the buffer away, so each has one of its own before the first does.
    const buffers = partials.map((_, i) =>
      i === 0 && partials.length === fetches.size ? bytes : bytes.slice(),
    );
    for (const [i, fetch] of partials.entries()) {
      pending++;
      fetch.partial?.write(chunk, buffers[i] ?? bytes).then(
        (outcome) => {
          written(outcome === 'wrong-hash');
          if (outcome === 'wrong-hash') this.wantFromOthers(fetch, chunk, device);
          else if (outcome === 'complete') this.complete(fetch);
        },
        (error: unknown) => {
          written(false);
          this.failed(fetch, error);
        },
      );
    }
    written(false);
  }

  private missing(device: DeviceKey, requestId: number, index: number, chunk: ChunkRef | undefined): void {
    if (chunk === undefined) return;
    this.unwrittenBytes -= chunk.lengthBytes;
    this.scheduler.missing(device, requestId, index);
    this.pump();
  }

  private prepared(fetch: Fetch, missing: readonly ChunkRef[]): void {
    if (this.fetches.get(fetch.content.hash) !== fetch) return;
    if (missing.length === 0) this.complete(fetch);
    else {
      this.want(fetch, missing);
      this.pump();
    }
  }

  private want(fetch: Fetch, chunks: readonly ChunkRef[]): void {
    for (const chunk of chunks) {
      const fetches = this.fetchesOfChunk.get(chunk.hash);
      if (fetches === undefined) this.fetchesOfChunk.set(chunk.hash, new Set([fetch]));
      else fetches.add(fetch);
    }
    this.scheduler.want(chunks);
  }

  /** The bytes that a peer sent turned out to be wrong when they were written: it is not asked for them again. */
  private wantFromOthers(fetch: Fetch, chunk: ChunkRef, giver: DeviceKey): void {
    const fetches = this.fetchesOfChunk.get(chunk.hash) ?? new Set();
    this.fetchesOfChunk.set(chunk.hash, fetches.add(fetch));
    this.scheduler.wantFromOthers(chunk, giver);
    this.pump();
  }

  private complete(fetch: Fetch): void {
    fetch.partial?.finish().then(
      (outcome) => {
        if (this.fetches.get(fetch.content.hash) !== fetch) return;
        this.remove(fetch);
        this.deps.onDone(
          fetch.content,
          outcome === 'complete' ? { ok: true, source: { kind: 'partial' } } : this.mismatch(fetch),
        );
      },
      (error: unknown) => this.failed(fetch, error),
    );
  }

  private mismatch(fetch: Fetch): FetchResult {
    const text =
      'The chunks that were announced for it do not make up the file that was announced. It is asked for again when its device changes it.';
    return {
      ok: false,
      why: 'problem',
      problem: { path: fetch.path, code: 'content-mismatch', text },
      diskFull: false,
    };
  }

  private failed(fetch: Fetch, error: unknown): void {
    if (this.fetches.get(fetch.content.hash) !== fetch) return;
    this.remove(fetch);
    const code = (error as { code?: unknown }).code;
    const diskFull = code === 'ENOSPC' || code === 'EDQUOT';
    const problem: Problem = diskFull
      ? {
          path: fetch.path,
          code: 'disk-full',
          text: 'There is no room for it on this disk. It goes on by itself when there is.',
        }
      : { path: fetch.path, code: 'io-error', text: `It cannot be written (${String(code ?? error)}).` };
    this.deps.onDone(fetch.content, { ok: false, why: 'problem', problem, diskFull });
  }

  /** Ends the fetches that wait for a chunk which no connected peer has. */
  private reportExhausted(): void {
    for (const hash of this.scheduler.takeExhausted()) {
      for (const fetch of this.fetchesOfChunk.get(hash) ?? []) {
        this.remove(fetch);
        this.deps.onDone(fetch.content, { ok: false, why: 'unavailable' });
      }
    }
  }

  private remove(fetch: Fetch): void {
    this.fetches.delete(fetch.content.hash);
    let isCancelled = false;
    for (const chunk of fetch.content.chunks) {
      const fetches = this.fetchesOfChunk.get(chunk.hash);
      if (!fetches?.delete(fetch) || fetches.size > 0) continue;
      this.fetchesOfChunk.delete(chunk.hash);
      this.scheduler.cancel(chunk.hash);
      isCancelled = true;
    }
    if (isCancelled) this.cancelAbandoned();
  }

  /** Requests of which nothing is wanted any more need not be answered. */
  private cancelAbandoned(): void {
    for (const [device, cancels] of this.cancels) {
      const { requestIds, bytes } = this.scheduler.giveUpAbandoned(device);
      if (requestIds.length === 0) continue;
      this.unwrittenBytes -= bytes;
      this.asked.set(device, (this.asked.get(device) ?? requestIds.length) - requestIds.length);
      for (const requestId of requestIds) {
        cancels.get(requestId)?.abort();
        cancels.delete(requestId);
      }
      this.pump();
    }
  }
}

/** Shared memory is used again as soon as it is released. */
function ownCopy(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? Uint8Array.from(bytes) : bytes;
}
