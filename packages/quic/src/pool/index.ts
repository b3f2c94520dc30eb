export { AddressRace, HEAD_START_MS, type PoolClock } from './address-race.js';
export { ConnectionHealth, type ConnectionHealthOptions, type HealthAction } from './connection-health.js';
export {
  DialPolicy,
  type DialPolicyOptions,
  DUPLICATE_CONNECTION_CODE,
  MAX_ADDRESSES,
  NOT_PAIRED_CODE,
  orderAddresses,
} from './dial-policy.js';
export { decidePrimary, type PrimaryCandidate, type PrimaryDecision } from './duplicate-rule.js';
export {
  PeerConnector,
  type PeerConnectorDependencies,
  type PeerConnectorOptions,
} from './peer-connector.js';
export { TokenBucket, type TokenBucketOptions } from './rate-limiter.js';
