import { CloseCode } from './frame-types.js';

export type WireErrorCode =
  /** Not CBOR as the protocol has it, a field missing or of the wrong kind, or fields that contradict each other. */
  | 'malformed'
  /** Sound, but beyond a limit of the protocol. */
  | 'limit-exceeded'
  | 'unknown-frame'
  /** A path that no entry may have. */
  | 'bad-path';

/** What a peer sent breaks the protocol. The text names the field and never what was in it. */
export class WireError extends Error {
  override readonly name = 'WireError';
  /** The code to close the connection with. */
  readonly closeCode: CloseCode;

  constructor(
    readonly code: WireErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.closeCode = code === 'limit-exceeded' ? CloseCode.limitExceeded : CloseCode.protocolError;
  }
}
