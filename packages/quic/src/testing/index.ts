export * from './self-signed-credentials.js';
