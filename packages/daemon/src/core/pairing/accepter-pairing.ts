import { CloseCode } from '../wire/frame-types.js';
import type { Frame } from '../wire/frames.js';
import { PAIRING_TIMEOUT_MS, type PairingAction, type PairingFailure } from './pairing-action.js';

export interface AccepterPairingOptions {
  readonly ticketId: Uint8Array;
  /** That this device knows the secret, for the two IDs of this connection's certificates. */
  readonly proof: Uint8Array;
  /** This device's name. */
  readonly name: string;
  readonly listenPort: number | undefined;
  /** Whether this is the proof that the inviter knows the secret, for the same two IDs. */
  readonly isInviterProof: (proof: Uint8Array) => boolean;
}

/**
 * The accepter's side of redeeming an invitation, without I/O. The inviter's certificate was compared with the invitation
 * before it starts.
 *
 * 1. It ends with exactly one `paired` or `failed`, and then closes.
 * 2. `paired` comes only with the inviter's proof: whoever holds the key without the secret did not invite.
 * 3. It ends by `deadlineMs`, if `tick` is called then.
 */
export class AccepterPairing {
  readonly deadlineMs: number;
  private isOver = false;

  constructor(
    private readonly options: AccepterPairingOptions,
    nowMs: number,
  ) {
    this.deadlineMs = nowMs + PAIRING_TIMEOUT_MS;
  }

  /** Call once. */
  start(): PairingAction[] {
    const { ticketId, proof, name, listenPort } = this.options;
    return [{ do: 'send', frame: { type: 'redeem', ticketId, proof, name, listenPort } }];
  }

  handle(frame: Frame, nowMs: number): PairingAction[] {
    if (this.isOver) return [];
    if (nowMs >= this.deadlineMs) return this.tick(nowMs);
    if (frame.type === 'pairRefused') return this.fail('refused', CloseCode.goodbye, frame.reason);
    if (frame.type !== 'redeemed') {
      return this.fail('protocol-error', CloseCode.protocolError, `${frame.type} out of turn in a pairing`);
    }
    if (!this.options.isInviterProof(frame.proof)) {
      return this.fail('wrong-proof', CloseCode.handshakeFailed, 'the inviter does not know the invitation');
    }
    this.isOver = true;
    return [
      { do: 'paired', name: frame.name, listenPort: undefined, repeated: false },
      { do: 'close', code: CloseCode.goodbye, reason: 'paired' },
    ];
  }

  tick(nowMs: number): PairingAction[] {
    if (this.isOver || nowMs < this.deadlineMs) return [];
    return this.fail('timeout', CloseCode.handshakeTimeout, 'the pairing took too long');
  }

  /** The connection ended by itself. */
  disconnected(): PairingAction[] {
    if (this.isOver) return [];
    return this.fail('disconnected', CloseCode.goodbye, 'the connection ended before the answer');
  }

  private fail(reason: PairingFailure, code: CloseCode, text: string): PairingAction[] {
    this.isOver = true;
    // What the peer wrote is for the person; the close reason goes back to the peer.
    const closeReason = reason === 'refused' ? 'refused' : text;
    return [
      { do: 'failed', reason, text },
      { do: 'close', code, reason: closeReason },
    ];
  }
}
