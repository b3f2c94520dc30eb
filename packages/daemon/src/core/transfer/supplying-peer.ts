import { isQueued, type WantedChunk } from './chunk-queue.js';

interface Request {
  readonly chunks: (WantedChunk | undefined)[];
  unanswered: number;
}

/** What one connected peer was asked for, and what is to be asked of it because others did not have it. */
export class SupplyingPeer {
  /** Chunks that somebody refused, in the order in which they are to be asked of this peer, and which of them count. */
  private retries: WantedChunk[] = [];
  private nextRetry = 0;
  private readonly retried = new Set<WantedChunk>();
  private readonly requests = new Map<number, Request>();
  private outstanding = 0;

  /** Bytes asked for and not answered yet. */
  get outstandingBytes(): number {
    return this.outstanding;
  }

  /** This peer is to be asked for a chunk that another refused. */
  retry(chunk: WantedChunk): void {
    if (this.retried.has(chunk)) return;
    this.retried.add(chunk);
    this.retries.push(chunk);
  }

  dropRetry(chunk: WantedChunk): void {
    this.retried.delete(chunk);
  }

  /** The oldest retry that is queued; what is not is passed over for good. */
  peekRetry(): WantedChunk | undefined {
    for (; this.nextRetry < this.retries.length; this.nextRetry++) {
      const chunk = this.retries[this.nextRetry];
      if (chunk === undefined || !this.retried.has(chunk)) continue;
      if (isQueued(chunk)) return chunk;
      this.retried.delete(chunk);
    }
    this.retries = [];
    this.nextRetry = 0;
    return undefined;
  }

  asked(requestId: number, chunks: readonly WantedChunk[]): void {
    this.requests.set(requestId, { chunks: [...chunks], unanswered: chunks.length });
    for (const chunk of chunks) this.outstanding += chunk.lengthBytes;
  }

  /** The chunk that this answers; undefined when it was not asked for, or was answered before. */
  answered(requestId: number, index: number): WantedChunk | undefined {
    const request = this.requests.get(requestId);
    const chunk = request?.chunks[index];
    if (request === undefined || chunk === undefined) return undefined;
    request.chunks[index] = undefined;
    request.unanswered--;
    if (request.unanswered === 0) this.requests.delete(requestId);
    this.outstanding -= chunk.lengthBytes;
    return chunk;
  }

  /** Requests of which every chunk that is not answered was cancelled. */
  abandoned(): number[] {
    return [...this.requests]
      .filter(([, { chunks }]) => chunks.every((chunk) => chunk === undefined || chunk.cancelled))
      .map(([requestId]) => requestId);
  }

  /** What is not answered of this request is not waited for any more. */
  giveUp(requestId: number): readonly WantedChunk[] {
    const chunks = (this.requests.get(requestId)?.chunks ?? []).filter((chunk) => chunk !== undefined);
    this.requests.delete(requestId);
    for (const chunk of chunks) this.outstanding -= chunk.lengthBytes;
    return chunks;
  }

  /** Oldest first. */
  *unanswered(): Generator<WantedChunk> {
    for (const { chunks } of this.requests.values()) {
      for (const chunk of chunks) if (chunk !== undefined) yield chunk;
    }
  }
}
