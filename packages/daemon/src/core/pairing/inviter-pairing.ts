import { CloseCode } from '../wire/frame-types.js';
import type { Frame, FrameOf } from '../wire/frames.js';
import { PAIRING_TIMEOUT_MS, type PairingAction, type PairingFailure } from './pairing-action.js';

export type RedeemJudgement =
  | { readonly outcome: 'paired'; readonly answerProof: Uint8Array; readonly repeated: boolean }
  | { readonly outcome: 'refused'; readonly reason: RefusalReason };

export type RefusalReason = 'unknown' | 'expired' | 'used' | 'wrong-proof' | 'rate-limited';

export interface InviterPairingOptions {
  /** This device's name. */
  readonly name: string;
  /** Judges the proof, for the two IDs of this connection's certificates. */
  readonly judge: (redeem: { readonly ticketId: Uint8Array; readonly proof: Uint8Array }) => RedeemJudgement;
}

/** An unknown invitation and a wrong proof get one answer: which invitations are open is nobody's business. */
const REFUSALS: Readonly<Record<RefusalReason, string>> = {
  unknown: 'This invitation is not known here.',
  'wrong-proof': 'This invitation is not known here.',
  expired: 'This invitation has expired.',
  used: 'Another device used this invitation.',
  'rate-limited': 'Too many attempts. Try again in a minute.',
};

/**
 * The inviter's side of redeeming an invitation, without I/O.
 *
 * 1. One Redeem is judged on one connection; anything else, and anything after it, closes with 3.
 * 2. `paired` comes before the answer is sent: store the device before going on, or the other would be half a pair.
 * 3. It ends by `deadlineMs`, if `tick` is called then. After its answer the other side closes, or the deadline does.
 */
export class InviterPairing {
  readonly deadlineMs: number;
  private stage: 'waiting' | 'answered' | 'over' = 'waiting';

  constructor(
    private readonly options: InviterPairingOptions,
    nowMs: number,
  ) {
    this.deadlineMs = nowMs + PAIRING_TIMEOUT_MS;
  }

  handle(frame: Frame, nowMs: number): PairingAction[] {
    if (this.stage === 'over') return [];
    if (nowMs >= this.deadlineMs) return this.tick(nowMs);
    if (this.stage === 'waiting' && frame.type === 'redeem') return this.judge(frame);
    return this.fail('protocol-error', CloseCode.protocolError, `${frame.type} out of turn in a pairing`);
  }

  tick(nowMs: number): PairingAction[] {
    if (this.stage === 'over' || nowMs < this.deadlineMs) return [];
    return this.fail('timeout', CloseCode.handshakeTimeout, 'the pairing took too long');
  }

  private judge({ ticketId, proof, name, listenPort }: FrameOf<'redeem'>): PairingAction[] {
    const judgement = this.options.judge({ ticketId, proof });
    this.stage = 'answered';
    if (judgement.outcome === 'refused') {
      const text = REFUSALS[judgement.reason];
      return [
        { do: 'failed', reason: judgement.reason === 'wrong-proof' ? 'wrong-proof' : 'refused', text },
        { do: 'send', frame: { type: 'pairRefused', reason: text } },
      ];
    }
    const { answerProof, repeated } = judgement;
    return [
      { do: 'paired', name, listenPort, repeated },
      { do: 'send', frame: { type: 'redeemed', proof: answerProof, name: this.options.name } },
    ];
  }

  private fail(reason: PairingFailure, code: CloseCode, text: string): PairingAction[] {
    const wasAnswered = this.stage === 'answered';
    this.stage = 'over';
    const close: PairingAction = { do: 'close', code, reason: text };
    return wasAnswered ? [close] : [{ do: 'failed', reason, text }, close];
  }
}
