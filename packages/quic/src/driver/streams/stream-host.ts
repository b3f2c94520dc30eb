import type { TransportError } from '../../transport.js';
import type { QuicheConnection } from '../quiche-binding.js';
import type { ReceiveSlab } from './receive-slab.js';
import type { QuicStream } from './stream.js';

/** What a stream needs of the connection it belongs to. */
export interface StreamHost {
  readonly quiche: QuicheConnection;
  readonly receiveSlab: ReceiveSlab;
  /** For gathering small writes; its content is worthless between calls. */
  readonly scratch: Uint8Array;
  readonly sendHighWaterBytes: number;
  /** Why nothing works any more, once the connection has ended or is closing. */
  endedWith(): TransportError | undefined;
  /** The stream has bytes or an end to send. */
  markPending(stream: QuicStream): void;
  /** Window updates, resets or data wait to be sent. */
  requestFlush(): void;
  countReadBytes(count: number): void;
  /** A reset or stop cost credit: see AbortCredit. `unreadBytes` is an upper bound of what was thrown away unread. */
  countAbort(stream: QuicStream, unreadBytes: number): void;
  /** Both directions are over. */
  forget(stream: QuicStream): void;
}
