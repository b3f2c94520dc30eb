export { createQuicEndpoint } from './driver/endpoint.js';
export { type AdmissionLimits, DEFAULT_ADMISSION, type QuicEndpointOptions } from './driver/options.js';
export * from './frame-codec.js';
export * from './frame-stream.js';
export * from './pool/index.js';
export * from './transport.js';
export { fileSync, type TransportProfile } from './transport-profile.js';
