import type { ChunkRef } from '../model/file-entry.js';
import type { ContentHash, DeviceKey } from '../model/identifiers.js';
import { Limits } from '../wire/limits.js';
import { WorkQueue } from './work-queue.js';

export interface ScheduledRequest {
  readonly requestId: number;
  /** In the order in which they are asked for; a place in this list is the `index` of every answer. */
  readonly chunks: readonly ChunkRef[];
}

export interface ChunkSchedulerOptions {
  /** A request is full from here on, so that several travel side by side. Default 2 MiB. */
  readonly requestBytes?: number;
  /** Default and at most the protocol's 1,024. */
  readonly requestChunks?: number;
  /** Asked of one peer and not yet answered. Default and at most the protocol's 64 MiB. */
  readonly outstandingBytes?: number;
}

interface Wanted {
  readonly chunk: ChunkRef;
  state: 'queued' | 'asked' | 'exhausted' | 'gone';
  /** False once it was cancelled while it was asked for: its answer is then passed over. */
  wanted: boolean;
  /** Peers that did not have it, or sent something else in its place. */
  tried: Set<DeviceKey> | undefined;
}

interface Request {
  readonly peer: DeviceKey;
  /** Undefined where it was answered. */
  readonly items: (Wanted | undefined)[];
  left: number;
}

interface Peer {
  readonly requests: Set<number>;
  outstandingBytes: number;
  /** Chunks that another peer did not have, and that this one was not asked for. May hold what is no longer queued. */
  readonly retries: WorkQueue<Wanted>;
}

/**
 * Which chunk is asked for next, and of whom. Pure bookkeeping, constant time per chunk however many are wanted.
 *
 * 1. A chunk is asked of one peer at a time, and of no peer twice, unless it is wanted anew.
 * 2. No peer has more outstanding than the limits allow; an answer counts once.
 * 3. A chunk that is wanted is queued, asked for, or exhausted: it is exhausted when each peer that is up was tried.
 * 4. What was asked of a peer that is gone is queued again, before all others.
 */
export class ChunkScheduler {
  private readonly chunks = new Map<ContentHash, Wanted>();
  private readonly peers = new Map<DeviceKey, Peer>();
  private readonly requests = new Map<number, Request>();
  private readonly queue = new WorkQueue<Wanted>();
  private readonly again = new WorkQueue<Wanted>();
  /** Queued chunks that some peer was tried for. */
  private readonly tried = new Set<Wanted>();
  private exhausted: Wanted[] = [];
  private nextRequestId = 1;
  private readonly requestBytes: number;
  private readonly requestChunks: number;
  private readonly maxOutstandingBytes: number;

  constructor(options: ChunkSchedulerOptions = {}) {
    this.requestBytes = options.requestBytes ?? 2 * 1024 * 1024;
    this.requestChunks = Math.min(options.requestChunks ?? Limits.chunksPerRequest, Limits.chunksPerRequest);
    this.maxOutstandingBytes = Math.min(
      options.outstandingBytes ?? Limits.requestedBytes,
      Limits.requestedBytes,
    );
  }

  /** Chunks wanted and not yet received. */
  get size(): number {
    return this.chunks.size;
  }

  /** Asks for these, in this order, after what is wanted already. A chunk that is wanted by many is asked for once. */
  want(chunks: readonly ChunkRef[]): void {
    for (const chunk of chunks) {
      const known = this.chunks.get(chunk.hash);
      if (known !== undefined) {
        known.wanted = true;
        continue;
      }
      const item: Wanted = { chunk, state: 'queued', wanted: true, tried: undefined };
      this.chunks.set(chunk.hash, item);
      if (this.peers.size === 0) this.exhaust(item);
      else this.queue.push(item);
    }
  }

  /** Nobody wants it any more. If it was asked for, its answer will be passed over. */
  cancel(hash: ContentHash): void {
    const item = this.chunks.get(hash);
    if (item === undefined) return;
    item.wanted = false;
    if (item.state !== 'asked') this.drop(item);
  }

  peerUp(peer: DeviceKey): void {
    if (this.peers.has(peer)) return;
    const retries = new WorkQueue<Wanted>();
    this.peers.set(peer, { requests: new Set(), outstandingBytes: 0, retries });
    for (const item of [...this.tried, ...this.exhausted]) {
      // It may have got since what it did not have in an earlier session.
      item.tried?.delete(peer);
      if (item.state === 'queued') retries.push(item);
    }
    const revived = this.exhausted.filter((item) => item.state === 'exhausted');
    this.exhausted = [];
    for (const item of revived) this.enqueue(item);
  }

  /** What was asked of it is queued again. Returns how many bytes were outstanding. */
  peerDown(peer: DeviceKey): number {
    const gone = this.peers.get(peer);
    if (gone === undefined) return 0;
    this.peers.delete(peer);
    for (const requestId of gone.requests) {
      const items = this.requests.get(requestId)?.items ?? [];
      this.requests.delete(requestId);
      for (const item of items) if (item !== undefined) this.requeue(item);
    }
    if (this.peers.size === 0) {
      for (const item of this.chunks.values()) if (item.state === 'queued') this.exhaust(item);
    }
    for (const item of this.tried) if (!this.hasCandidate(item)) this.exhaust(item);
    return gone.outstandingBytes;
  }

  /** The next request to this peer; undefined when nothing is left for it, or enough is outstanding. */
  next(peer: DeviceKey): ScheduledRequest | undefined {
    const state = this.peers.get(peer);
    if (state === undefined) return undefined;
    const items: Wanted[] = [];
    let bytes = 0;
    while (items.length < this.requestChunks && bytes < this.requestBytes) {
      const source = this.sourceFor(peer, state);
      const item = source?.peek();
      if (source === undefined || item === undefined) break;
      const { lengthBytes } = item.chunk;
      if (state.outstandingBytes + lengthBytes > this.maxOutstandingBytes) break;
      // One that is too long to go with others goes first in the next request.
      if (items.length > 0 && bytes + lengthBytes > 2 * this.requestBytes) break;
      source.shift();
      item.state = 'asked';
      this.tried.delete(item);
      items.push(item);
      bytes += lengthBytes;
      state.outstandingBytes += lengthBytes;
    }
    if (items.length === 0) return undefined;
    const requestId = this.nextRequestId++;
    this.requests.set(requestId, { peer, items, left: items.length });
    state.requests.add(requestId);
    return { requestId, chunks: items.map((item) => item.chunk) };
  }

  /** The chunk came and was right. False when it was not asked for, was answered before, or is no longer wanted. */
  received(peer: DeviceKey, requestId: number, index: number): boolean {
    const item = this.answer(peer, requestId, index);
    if (item === undefined) return false;
    this.drop(item);
    return item.wanted;
  }

  /** The peer does not have it: the next one is asked, or the chunk is exhausted. */
  missing(peer: DeviceKey, requestId: number, index: number): void {
    const item = this.answer(peer, requestId, index);
    if (item === undefined) return;
    item.tried ??= new Set();
    item.tried.add(peer);
    if (!item.wanted) this.drop(item);
    else this.enqueue(item);
  }

  /** The peer sent something else in its place; as good as missing. */
  wrong(peer: DeviceKey, requestId: number, index: number): void {
    this.missing(peer, requestId, index);
  }

  /** Chunks that no peer which is up has. Told once: they are no longer wanted until they are wanted anew. */
  takeExhausted(): readonly ContentHash[] {
    const hashes: ContentHash[] = [];
    for (const item of this.exhausted) {
      if (item.state !== 'exhausted') continue;
      this.drop(item);
      hashes.push(item.chunk.hash);
    }
    this.exhausted = [];
    return hashes;
  }

  /** Where the next chunk for this peer comes from; what is no longer queued is passed over on the way. */
  private sourceFor(peer: DeviceKey, state: Peer): WorkQueue<Wanted> | undefined {
    for (const source of [this.again, state.retries, this.queue]) {
      for (let item = source.peek(); item !== undefined; item = source.peek()) {
        if (item.state === 'queued' && !item.tried?.has(peer)) return source;
        source.shift();
      }
    }
    return undefined;
  }

  private answer(peer: DeviceKey, requestId: number, index: number): Wanted | undefined {
    const request = this.requests.get(requestId);
    const item = request?.items[index];
    const state = this.peers.get(peer);
    if (request === undefined || item === undefined || state === undefined || request.peer !== peer) {
      return undefined;
    }
    request.items[index] = undefined;
    state.outstandingBytes -= item.chunk.lengthBytes;
    if (--request.left === 0) {
      this.requests.delete(requestId);
      state.requests.delete(requestId);
    }
    return item;
  }

  private requeue(item: Wanted): void {
    if (!item.wanted) this.drop(item);
    else if (item.tried !== undefined) this.enqueue(item);
    else {
      item.state = 'queued';
      this.again.push(item);
    }
  }

  /** Offers a chunk to every peer that was not tried for it. */
  private enqueue(item: Wanted): void {
    if (!this.hasCandidate(item)) {
      this.exhaust(item);
      return;
    }
    item.state = 'queued';
    if (item.tried === undefined) {
      this.again.push(item);
      return;
    }
    this.tried.add(item);
    for (const [peer, { retries }] of this.peers) if (!item.tried.has(peer)) retries.push(item);
  }

  private hasCandidate(item: Wanted): boolean {
    for (const peer of this.peers.keys()) if (!item.tried?.has(peer)) return true;
    return false;
  }

  private exhaust(item: Wanted): void {
    if (item.state === 'exhausted') return;
    item.state = 'exhausted';
    this.tried.delete(item);
    this.exhausted.push(item);
  }

  private drop(item: Wanted): void {
    item.state = 'gone';
    this.tried.delete(item);
    this.chunks.delete(item.chunk.hash);
  }
}
