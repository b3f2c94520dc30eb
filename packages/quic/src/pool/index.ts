export { TokenBucket, type TokenBucketOptions } from '../token-bucket.js';
export { AddressRace, HEAD_START_MS, type PoolClock } from './address-race.js';
export { ConnectionHealth, type ConnectionHealthOptions, type HealthAction } from './connection-health.js';
export { ConnectionPool } from './connection-pool.js';
export {
  DialPolicy,
  type DialPolicyOptions,
  DUPLICATE_CONNECTION_CODE,
  MAX_ADDRESSES,
  NOT_PAIRED_CODE,
  orderAddresses,
} from './dial-policy.js';
export { decidePrimary, type PrimaryCandidate, type PrimaryDecision } from './duplicate-rule.js';
export { createLoopUtilisation } from './loop-utilisation.js';
export {
  PeerConnector,
  type PeerConnectorDependencies,
  type PeerConnectorOptions,
} from './peer-connector.js';
export {
  type GrowthAction,
  type GrowthLimit,
  type GrowthSample,
  PoolGrowth,
  type PoolGrowthOptions,
} from './pool-growth.js';
export type { ConnectionPoolDependencies, ConnectionPoolOptions } from './pool-options.js';
export { type PoolRequestOptions, requestOverPool } from './pool-request.js';
export type { PoolCounts, PooledConnectionState, PooledRole, PooledState, PoolState } from './pool-state.js';
export type { Lease, LeaseOptions } from './pooled-connection.js';
export {
  type PooledSession,
  type StreamLease,
  StreamPool,
  type StreamPoolDependencies,
  StreamPoolError,
  type StreamPoolOptions,
  type StreamPoolStats,
} from './stream-pool.js';
