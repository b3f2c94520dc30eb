export * from './frame-codec.js';
export * from './frame-stream.js';
export * from './transport.js';
