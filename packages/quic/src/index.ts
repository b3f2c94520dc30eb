export { createQuicEndpoint } from './driver/endpoint.js';
export {
  type AdmissionLimits,
  DEFAULT_ADMISSION,
  fileSync,
  type QuicEndpointOptions,
  type TransportProfile,
} from './driver/options.js';
export * from './transport.js';
