export * from './close-codes.js';
export { createQuicEndpoint } from './driver/endpoint.js';
export { type AdmissionLimits, DEFAULT_ADMISSION, type QuicEndpointOptions } from './driver/options.js';
export * from './frame-codec.js';
export * from './frame-stream.js';
export * from './pool/index.js';
export { Priority } from './priority.js';
export * from './rpc/index.js';
export { SessionCache } from './session-cache.js';
export * from './streams/index.js';
export { systemClock } from './system-clock.js';
export * from './transport.js';
export {
  fileSync,
  lan,
  lowMemory,
  type TransportProfile,
  type TransportProfileName,
  transportProfiles,
  wan,
} from './transport-profile.js';
export { turnBudget } from './turn-budget.js';
