import type { WantedChunk } from './chunk-queue.js';

interface Request {
  readonly chunks: (WantedChunk | undefined)[];
  unanswered: number;
}

/** What one connected peer was asked for, and what is to be asked of it because others did not have it. */
export class SupplyingPeer {
  /** Chunks that somebody refused, in the order in which they are to be asked of this peer. */
  readonly retries = new Set<WantedChunk>();
  private readonly requests = new Map<number, Request>();
  private outstanding = 0;

  /** Bytes asked for and not answered yet. */
  get outstandingBytes(): number {
    return this.outstanding;
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

  /** Oldest first. */
  *unanswered(): Generator<WantedChunk> {
    for (const { chunks } of this.requests.values()) {
      for (const chunk of chunks) if (chunk !== undefined) yield chunk;
    }
  }
}
