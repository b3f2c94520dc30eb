export type CryptoErrorCode =
  /** Not an ECDSA P-256 key in the one encoding that is taken. */
  | 'bad-public-key'
  /** Text that is no device ID; the message says which group is mistyped. */
  | 'bad-device-id'
  /** Text that is no pairing ticket, a damaged one, one of an unknown version; or values no ticket can hold. */
  | 'bad-ticket'
  /** A lifetime that is not a positive number of milliseconds. */
  | 'bad-ticket-lifetime'
  /** As many invitations are open as may be at once. */
  | 'too-many-tickets'
  /** There is no key file. */
  | 'key-missing'
  /** A key file is there already, and is never overwritten. */
  | 'key-exists'
  /** Others may read or replace the key file. */
  | 'key-exposed'
  /** The key file does not hold a whole P-256 key. */
  | 'key-damaged'
  /** The operating system would not let the key file be read. `cause` has its error. */
  | 'key-unreadable'
  /** The operating system would not let the key file be written. `cause` has its error. */
  | 'key-unwritable';

/** The one error of this package. `code` is for programs; `message` is for people and says how to mend it. */
export class CryptoError extends Error {
  override readonly name = 'CryptoError';
  constructor(
    readonly code: CryptoErrorCode,
    message: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
  }
}
