import { type Connection, TransportError } from '../transport.js';
import type { ConnectionPool } from './connection-pool.js';

export interface PoolRequestOptions {
  /** Ends the wait for a connection, and what runs on one. */
  readonly signal: AbortSignal;
  /** See `LeaseOptions`. */
  readonly weight?: number;
  /** How many connections may be lost under it. Default 4. */
  readonly maxAttempts?: number;
}

/**
 * Carries out one request on a connection of the pool, and again on another when that one is lost: it has to be such that
 * twice does no harm. Rejects as `operation` does, with the last loss after `maxAttempts`, or with the signal's reason.
 */
export async function requestOverPool<T>(
  pool: Pick<ConnectionPool, 'lease' | 'whenReady'>,
  operation: (connection: Connection, signal: AbortSignal) => Promise<T>,
  options: PoolRequestOptions,
): Promise<T> {
  const { signal, weight, maxAttempts = 4 } = options;
  for (let attempt = 1; ; ) {
    await pool.whenReady(signal);
    const lost = new AbortController();
    const lease = pool.lease({
      ...(weight === undefined ? {} : { weight }),
      onLost: () => lost.abort(new TransportError('connection-closed', 'the connection was lost')),
    });
    if (lease === undefined) continue;
    try {
      return await untilLost(
        operation(lease.connection, AbortSignal.any([signal, lost.signal])),
        lost.signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      const isLost =
        lost.signal.aborted || (error instanceof TransportError && error.code === 'connection-closed');
      if (!isLost || attempt++ >= maxAttempts) throw error;
      // Whatever the operation noticed first, the pool has to see that the connection is gone.
      if (!lost.signal.aborted) await lease.connection.closed;
    } finally {
      lease.release();
    }
  }
}

/** An operation that pays no heed to its signal is not waited for. */
function untilLost<T>(running: Promise<T>, lost: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onLost = (): void => reject(lost.reason);
    if (lost.aborted) onLost();
    lost.addEventListener('abort', onLost, { once: true });
    running.then(resolve, reject).finally(() => lost.removeEventListener('abort', onLost));
  });
}
