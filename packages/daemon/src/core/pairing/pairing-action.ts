import type { CloseCode } from '../wire/frame-types.js';
import type { Frame } from '../wire/frames.js';

/** How long redeeming an invitation may take, from the connection to the answer. */
export const PAIRING_TIMEOUT_MS = 10_000;

/** What a side of a pairing is to do, in order. `close` is the last of all. */
export type PairingAction =
  | { readonly do: 'send'; readonly frame: Frame }
  | ({ readonly do: 'paired' } & PairedDevice)
  | { readonly do: 'failed'; readonly reason: PairingFailure; readonly text: string }
  | { readonly do: 'close'; readonly code: CloseCode; readonly reason: string };

/** The device at the other end, whose ID is that of the connection's certificate. */
export interface PairedDevice {
  /** The name it gave itself: a label, and nothing more. */
  readonly name: string;
  /** Where it can be dialled, when it said so. */
  readonly listenPort: number | undefined;
  /** It redeemed this invitation before: there is nothing new to tell the person. */
  readonly repeated: boolean;
}

export type PairingFailure =
  /** The inviter said no; the text says why. */
  | 'refused'
  /** The other side does not know the secret of the invitation. */
  | 'wrong-proof'
  | 'timeout'
  /** It sent what it may not. */
  | 'protocol-error'
  /** The connection ended before the answer. Redeeming again, with the same ID, is safe. */
  | 'disconnected';
