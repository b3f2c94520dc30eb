import type { GrowthLimit } from './pool-growth.js';

/** `primary` carries everything; `data` carries bulk alone, beside a primary. */
export type PooledRole = 'primary' | 'data';

/**
 * `suspect`: answers are missing, or the path is poor; used only where nothing better is there. `draining`: takes nothing
 * new, and closes when what it has is done.
 */
export type PooledState = 'dialling' | 'ready' | 'suspect' | 'draining' | 'closed';

export interface PooledConnectionState {
  /** Undefined while it is being dialled. */
  readonly id: string | undefined;
  readonly role: PooledRole;
  readonly state: PooledState;
  /** Dialled by this side, and not by the peer. */
  readonly dialledHere: boolean;
  /** Being dialled to take the place of one that ages or does not answer. */
  readonly isReplacement: boolean;
  /** Requests in flight, and their weight together. */
  readonly requests: number;
  readonly load: number;
  /** Pings in a row without an answer in time. */
  readonly misses: number;
  /** Of the last ping, ms. */
  readonly roundTripMs: number | undefined;
  /** Of the packets since the last health check: 0 to 1. */
  readonly lossShare: number;
  /** Share of the packets used up that its keys may protect: 0 to 1. */
  readonly keyUse: number;
}

export interface PoolCounts {
  readonly dialled: number;
  readonly dialsFailed: number;
  /** Connections that another took the place of, while they were still up. */
  readonly replaced: number;
  readonly closedIdle: number;
  /** Opened on trial, and closed because they brought nothing. */
  readonly withdrawn: number;
  /** Ended without this side having wanted it. */
  readonly lost: number;
  /** Requests that were handed back because their connection was gone. */
  readonly handedBack: number;
}

export interface PoolState {
  readonly connections: readonly PooledConnectionState[];
  readonly counts: PoolCounts;
  /** What keeps this side from sending more, as of the last look. */
  readonly limit: GrowthLimit;
  /** The smallest round trip that the transport has seen to this peer; undefined before the first. */
  readonly baseRttMs: number | undefined;
}
