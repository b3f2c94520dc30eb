/** What a program needs in order to talk to the daemon. Light on purpose: it is loaded by every CLI command. */

export { type CallOptions, callDaemon, DaemonCallError, type DaemonCallErrorCode } from './client.js';
export * from './schema.js';
