export type ConfigErrorCode =
  /** A file of the home cannot be understood. The message names it, where, and how to mend it. */
  | 'config-damaged'
  /** The home cannot be made, or cannot be written by this user. */
  | 'home-not-writable'
  /** Another daemon runs on this home. */
  | 'already-running'
  /** A key that there is not, a value that the key does not take, a folder or device that is there already. */
  | 'usage'
  | 'not-found'
  /** A path that cannot be a shared folder. */
  | 'file-system';

/** What is wrong with the home, its files, or what was asked of them. `hint` says what to do next. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly hint: string | undefined;
  constructor(
    readonly code: ConfigErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}
