export type { LinkConditions } from './link.js';
export type { MemoryEndpointOptions } from './memory-endpoint.js';
export {
  createMemoryNetwork,
  type MemoryNetwork,
  type MemoryNetworkOptions,
  type NetworkEndpoint,
} from './memory-network.js';
export { createSeededRandom } from './seeded-random.js';
export { VirtualClock } from './virtual-clock.js';
