import type { ConnectionPool } from '@landropic/quic';
import type { ContentHash, FolderId } from '../core/model/identifiers.js';
import type { ChunkSupplier } from './content-fetch.js';
import type { ChunkExchange, ChunkSpread } from './session-ports.js';

type Reply = Parameters<ChunkSupplier['request']>[2];

export interface SpreadRequestsDependencies {
  readonly pool: Pick<ConnectionPool, 'lease'>;
  /** The chunk side of the connection with this ID; undefined once its session is over. */
  readonly exchangeOf: (connectionId: string) => ChunkExchange | undefined;
  /** The primary's own: asked where the pool has nothing better. */
  readonly own: ChunkSupplier;
  readonly serving: () => number;
}

/**
 * Spreads the chunk requests of one primary session over all connections with its peer.
 *
 * 1. Every chunk of a request is answered once, as long as the primary session lives: what is in flight on a connection
 *    for data that is lost is asked again on another.
 * 2. After `close` nothing is answered any more.
 */
export class SpreadRequests implements ChunkSpread {
  private readonly underWay = new Set<() => void>();
  private isClosed = false;

  constructor(private readonly deps: SpreadRequestsDependencies) {}

  serving(): number {
    return this.deps.serving();
  }

  request(folder: FolderId, chunks: readonly ContentHash[], reply: Reply, signal?: AbortSignal): void {
    this.ask(
      folder,
      chunks.map((hash, index) => ({ hash, index })),
      reply,
      signal,
    );
  }

  close(): void {
    this.isClosed = true;
    for (const release of [...this.underWay]) release();
    this.underWay.clear();
  }

  /** `index`: place in the request as it was made first. */
  private ask(
    folder: FolderId,
    chunks: readonly { readonly hash: ContentHash; readonly index: number }[],
    reply: Reply,
    signal: AbortSignal | undefined,
  ): void {
    if (this.isClosed || chunks.length === 0 || signal?.aborted) return;
    const unanswered = new Map(chunks.entries());
    let isLost = false;
    const lease = this.deps.pool.lease({
      weight: chunks.length,
      onLost: () => {
        isLost = true;
        this.underWay.delete(end);
        this.ask(folder, [...unanswered.values()], reply, signal);
      },
    });
    const end = (): void => {
      this.underWay.delete(end);
      lease?.release();
    };
    const answered = (place: number): number | undefined => {
      const chunk = this.isClosed || isLost ? undefined : unanswered.get(place);
      if (chunk === undefined) return undefined;
      unanswered.delete(place);
      if (unanswered.size === 0) end();
      return chunk.index;
    };
    this.underWay.add(end);
    signal?.addEventListener('abort', end, { once: true });
    const client = (lease && this.deps.exchangeOf(lease.connection.id)?.client) ?? this.deps.own;
    client.request(
      folder,
      chunks.map(({ hash }) => hash),
      {
        chunk: (place, bytes, release) => {
          const index = answered(place);
          if (index === undefined) release();
          else reply.chunk(index, bytes, release);
        },
        missing: (place) => {
          const index = answered(place);
          if (index !== undefined) reply.missing(index);
        },
      },
      signal,
    );
  }
}
