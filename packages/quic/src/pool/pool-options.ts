import type { Connection } from '../transport.js';
import type { PoolClock } from './address-race.js';
import type { ConnectionHealthOptions } from './connection-health.js';
import type { DialPolicyOptions } from './dial-policy.js';
import type { PoolGrowthOptions } from './pool-growth.js';
import type { PooledRole } from './pool-state.js';

export interface ConnectionPoolDependencies {
  readonly clock: PoolClock;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Dials one more connection to the peer, and makes it ready for requests. Rejects when that fails or the signal says so. */
  readonly dial: (role: PooledRole, signal: AbortSignal) => Promise<Connection>;
  /** One round trip of the application, in ms. Rejects when none was made in that time. */
  readonly ping: (connection: Connection, timeoutMs: number) => Promise<number>;
  /**
   * Tells the peer that this connection goes, and takes no more requests: it finishes what it has on it, and closes. Without
   * this, what the peer has in flight is cut off.
   */
  readonly sayGoodbye?: (connection: Connection, reason: string) => void;
  /** The share of time, 0 to 1, that this thread's event loop was busy since the call before. */
  readonly loopUtilisation: () => number;
  /** Somebody watches: the state may have changed. */
  readonly onChange?: () => void;
}

export interface ConnectionPoolOptions {
  /** Beside the primary. Default 3. */
  readonly maxDataConnections?: number;
  /** A data connection that was not used for this long is closed. Default 300,000. */
  readonly idleMs?: number;
  /** How long what is in flight on a connection that is to go may take. Default 5,000. */
  readonly drainMs?: number;
  /** For a dial with all that makes it ready. A connection that does not answer waits so long for its replacement. Default 20,000. */
  readonly dialTimeoutMs?: number;
  /** How long data connections may outlive the primary, waiting for the next one. Default 10,000. */
  readonly dataGraceMs?: number;
  /** Whether the pool dials a primary when there is none; else its owner hands it in. Default true. */
  readonly keepsPrimary?: boolean;
  /** See `TransportProfile.maxPacketsPerKey`. Default 2²³. */
  readonly maxPacketsPerKey?: number;
  /** How often it is looked whether another connection is worth it, while bytes move. Default 1,000. */
  readonly sampleMs?: number;
  readonly health?: ConnectionHealthOptions;
  readonly growth?: PoolGrowthOptions;
  readonly backoff?: DialPolicyOptions;
}

export const POOL_DEFAULTS = {
  maxDataConnections: 3,
  idleMs: 300_000,
  drainMs: 5_000,
  dialTimeoutMs: 20_000,
  dataGraceMs: 10_000,
  keepsPrimary: true,
  maxPacketsPerKey: 2 ** 23,
  sampleMs: 1_000,
  health: {},
} as const;
