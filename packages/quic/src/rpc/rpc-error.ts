export type RpcErrorCode =
  /** No answer within the deadline. The server was told, and stops. */
  | 'deadline-exceeded'
  /** The caller's signal came. The server was told, and stops. */
  | 'cancelled'
  /** There was no connection, or it ended before the answer. */
  | 'unavailable'
  /** Refused before it began, here or by the server: too many requests already. */
  | 'overloaded'
  /** Refused before it began: the server is about to stop. */
  | 'shutting-down'
  /** It had begun when the server stopped, and did not finish in the time that was left. */
  | 'interrupted'
  | 'unknown-method'
  /** The handler said no, with a {@link RpcFailure}: `failureCode` and the message are its own. */
  | 'failed'
  /** The handler broke. Why is not told to the other side. */
  | 'internal'
  /** The request or its answer is larger than allowed; the former is not sent. */
  | 'too-large'
  /** The other side broke the protocol. */
  | 'protocol-error'
  /** This client is closed. */
  | 'closed';

export interface RpcErrorDetails {
  readonly cause?: unknown;
  /** Whether the server may have begun: if not, the request can be sent again whatever it does. Default true. */
  readonly mayHaveBegun?: boolean;
  /** With `failed`: what the handler gave, 0–65,535. */
  readonly failureCode?: number;
}

/** Why a request has no answer. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly mayHaveBegun: boolean;
  readonly failureCode: number | undefined;

  constructor(
    readonly code: RpcErrorCode,
    message: string,
    details: RpcErrorDetails = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.mayHaveBegun = details.mayHaveBegun ?? true;
    this.failureCode = details.failureCode;
  }
}

/** Thrown by a handler to say no: code (0–65,535) and message travel to the caller, as `failed`. */
export class RpcFailure extends Error {
  override readonly name = 'RpcFailure';
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}
