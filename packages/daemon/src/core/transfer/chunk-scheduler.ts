import type { ChunkRef } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';
import { Limits } from '../wire/limits.js';
import { ChunkQueue, isQueued, type WantedChunk } from './chunk-queue.js';
import { SupplyingPeer } from './supplying-peer.js';

export interface ChunkSchedulerOptions {
  /** Bytes in one request, unless it is for one larger chunk. Default 1 MiB, so that several streams share the work. */
  readonly requestBytes?: number;
  /** Bytes asked of one peer and not answered yet. Default (and limit of the protocol) 64 MiB. */
  readonly outstandingBytes?: number;
}

export interface ScheduledRequest {
  /** Unique in this scheduler. */
  readonly requestId: number;
  /** At most 1,024. */
  readonly chunks: readonly ChunkRef[];
}

const DEFAULT_REQUEST_BYTES = 1024 * 1024;
/** The queue is swept once it holds this many more chunks than are wanted. */
const SWEEP_SLACK = 4_096;

/**
 * Decides which chunk is asked of which peer, and when none can give it.
 *
 * 1. A chunk is in flight at most once.
 * 2. A wanted chunk that is not in flight stands in the queue of all while nobody refused it, and otherwise in the
 *    retries of every connected peer that did not refuse it.
 * 3. A peer that refused a chunk is not asked for it again until it comes up anew or the chunk is wanted anew.
 * 4. What no connected peer can give is exhausted: `takeExhausted` hands it out, and it is wanted no more.
 * 5. A chunk cancelled in flight stays in flight until it is answered, or its request is given up; wanted again before
 *    that, the answer counts.
 */
export class ChunkScheduler {
  private readonly wanted = new Map<ContentHash, WantedChunk>();
  private readonly queue = new ChunkQueue();
  private readonly peers = new Map<string, SupplyingPeer>();
  /** Chunks that a peer refused, for as long as they are wanted. */
  private readonly refused = new Set<WantedChunk>();
  private readonly exhausted = new Set<WantedChunk>();
  private readonly requestBytes: number;
  private readonly maxOutstandingBytes: number;
  private lastRequestId = 0;

  constructor(options: ChunkSchedulerOptions = {}) {
    this.requestBytes = options.requestBytes ?? DEFAULT_REQUEST_BYTES;
    this.maxOutstandingBytes = Math.min(
      options.outstandingBytes ?? Limits.requestedBytes,
      Limits.requestedBytes,
    );
  }

  /** Chunks wanted and not received, with those that were cancelled while in flight. */
  get size(): number {
    return this.wanted.size;
  }

  /** What the queue holds, with what was cancelled and not yet swept out of it. */
  get queuedAtMost(): number {
    return this.queue.lengthAtMost;
  }

  /** Wants these. What is wanted already keeps its place, but everybody may be asked for it again. */
  want(chunks: readonly ChunkRef[]): void {
    const added: WantedChunk[] = [];
    for (const { hash, lengthBytes } of chunks) {
      const known = this.wanted.get(hash);
      if (known !== undefined) {
        known.cancelled = false;
        this.forgive(known);
        continue;
      }
      const chunk: WantedChunk = {
        hash,
        lengthBytes,
        state: 'queued',
        cancelled: false,
        refusedBy: undefined,
      };
      this.wanted.set(hash, chunk);
      added.push(chunk);
    }
    this.queue.add(added);
  }

  /** A chunk that counts as received turned out to be wrong: it is wanted again, of others than the peer that gave it. */
  wantFromOthers(wrong: ChunkRef, giver: string): void {
    if (this.wanted.has(wrong.hash)) return;
    const { hash, lengthBytes } = wrong;
    const chunk: WantedChunk = {
      hash,
      lengthBytes,
      state: 'queued',
      cancelled: false,
      refusedBy: new Set([giver]),
    };
    this.wanted.set(hash, chunk);
    this.refused.add(chunk);
    this.queueRefused(chunk);
  }

  cancel(hash: ContentHash): void {
    const chunk = this.wanted.get(hash);
    if (chunk === undefined) return;
    if (chunk.state === 'in-flight') chunk.cancelled = true;
    else this.drop(chunk);
    if (this.queue.lengthAtMost > this.wanted.size + SWEEP_SLACK) this.queue.sweep();
  }

  /** Gives up the requests of this peer of which nothing is wanted any more: which, and how many bytes that is. */
  giveUpAbandoned(peer: string): { readonly requestIds: readonly number[]; readonly bytes: number } {
    const asked = this.peers.get(peer);
    const requestIds = asked?.abandoned() ?? [];
    let bytes = 0;
    for (const chunk of requestIds.flatMap((requestId) => asked?.giveUp(requestId) ?? [])) {
      bytes += chunk.lengthBytes;
      this.drop(chunk);
    }
    return { requestIds, bytes };
  }

  /** May be asked from now on, also for what it refused before. */
  peerUp(peer: string): void {
    const known = this.peers.get(peer) ?? new SupplyingPeer();
    this.peers.set(peer, known);
    for (const chunk of this.refused) {
      chunk.refusedBy?.delete(peer);
      this.exhausted.delete(chunk);
      if (isQueued(chunk)) known.retry(chunk);
    }
  }

  /** Queues again what this peer did not answer. Returns how many bytes that was, with what was cancelled. */
  peerDown(peer: string): number {
    const lost = this.peers.get(peer);
    if (lost === undefined) return 0;
    this.peers.delete(peer);
    const unrefused: WantedChunk[] = [];
    for (const chunk of lost.unanswered()) {
      chunk.state = 'queued';
      if (chunk.cancelled) this.drop(chunk);
      else if (!this.refused.has(chunk)) unrefused.push(chunk);
      else this.queueRefused(chunk);
    }
    this.queue.giveBack(unrefused);
    for (const chunk of this.refused) {
      if (isQueued(chunk) && !this.canBeAsked(chunk)) this.exhausted.add(chunk);
    }
    return lost.outstandingBytes;
  }

  /** What to ask of this peer now; undefined when there is nothing, or enough is on its way from it. */
  next(peer: string): ScheduledRequest | undefined {
    const asked = this.peers.get(peer);
    if (asked === undefined) return undefined;
    const chunks: WantedChunk[] = [];
    let bytes = 0;
    while (chunks.length < Limits.chunksPerRequest) {
      const retry = asked.peekRetry();
      const chunk = retry ?? this.queue.peek();
      if (chunk === undefined) break;
      const sum = bytes + chunk.lengthBytes;
      if (chunks.length > 0 && sum > this.requestBytes) break;
      if (asked.outstandingBytes + sum > this.maxOutstandingBytes && asked.outstandingBytes + bytes > 0)
        break;
      if (retry === undefined) this.queue.take();
      else asked.dropRetry(retry);
      chunk.state = 'in-flight';
      chunks.push(chunk);
      bytes = sum;
    }
    if (chunks.length === 0) return undefined;
    const requestId = ++this.lastRequestId;
    asked.asked(requestId, chunks);
    return { requestId, chunks };
  }

  /** It came, and is right: it is not wanted any more. */
  received(peer: string, requestId: number, index: number): void {
    const chunk = this.peers.get(peer)?.answered(requestId, index);
    if (chunk !== undefined) this.drop(chunk);
  }

  /** This peer does not have it, or does not give it. */
  missing(peer: string, requestId: number, index: number): void {
    const chunk = this.peers.get(peer)?.answered(requestId, index);
    if (chunk === undefined) return;
    chunk.state = 'queued';
    if (chunk.cancelled) {
      this.drop(chunk);
      return;
    }
    chunk.refusedBy ??= new Set();
    chunk.refusedBy.add(peer);
    this.refused.add(chunk);
    this.queueRefused(chunk);
  }

  /** This peer gave bytes that are not what their hash says. */
  wrong(peer: string, requestId: number, index: number): void {
    this.missing(peer, requestId, index);
  }

  /**
   * The wanted chunks that no connected peer can give: those that all of them refused, or all when none is connected.
   * They are not wanted any more.
   */
  takeExhausted(): readonly ContentHash[] {
    const given = this.peers.size === 0 ? [...this.wanted.values()] : [...this.exhausted];
    for (const chunk of given) this.drop(chunk);
    if (this.peers.size === 0) this.queue.clear();
    return given.map((chunk) => chunk.hash);
  }

  private canBeAsked(chunk: WantedChunk): boolean {
    for (const peer of this.peers.keys()) if (!chunk.refusedBy?.has(peer)) return true;
    return false;
  }

  private queueRefused(chunk: WantedChunk): void {
    let queued = false;
    for (const [name, peer] of this.peers) {
      if (chunk.refusedBy?.has(name)) continue;
      peer.retry(chunk);
      queued = true;
    }
    if (!queued) this.exhausted.add(chunk);
  }

  private forgive(chunk: WantedChunk): void {
    if (!this.refused.has(chunk)) return;
    chunk.refusedBy = undefined;
    this.exhausted.delete(chunk);
    if (isQueued(chunk)) this.queueRefused(chunk);
  }

  private drop(chunk: WantedChunk): void {
    chunk.state = 'gone';
    this.wanted.delete(chunk.hash);
    if (!this.refused.delete(chunk)) return;
    this.exhausted.delete(chunk);
    for (const peer of this.peers.values()) peer.dropRetry(chunk);
  }
}
