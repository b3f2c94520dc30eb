/** Why the daemon cannot start, or had to stop. Codes of the configuration and of the key pass through as they are. */
export class DaemonError extends Error {
  override readonly name = 'DaemonError';
  constructor(
    readonly code: 'usage' | 'port-in-use' | 'listen-failed' | 'not-initialised' | 'key-missing' | 'crashed',
    message: string,
    readonly hint?: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}
