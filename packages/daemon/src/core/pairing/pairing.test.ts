import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePayload, encodePayload } from '../wire/codec.js';
import { CloseCode } from '../wire/frame-types.js';
import type { Frame } from '../wire/frames.js';
import { AccepterPairing } from './accepter-pairing.js';
import { InviterPairing, type RedeemJudgement, type RefusalReason } from './inviter-pairing.js';
import { PAIRING_TIMEOUT_MS, type PairingAction } from './pairing-action.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder().decode(of);

const TICKET_ID = bytes('ticket');

function accepter(proof = 'right of accepter') {
  const options = { ticketId: TICKET_ID, proof: bytes(proof), name: 'laptop', listenPort: 4_242 };
  return new AccepterPairing({ ...options, isInviterProof: (of) => text(of) === 'right of inviter' }, 0);
}

function inviter(judgement?: RedeemJudgement) {
  const judged: string[] = [];
  const pairing = new InviterPairing(
    {
      name: 'desktop',
      judge: ({ ticketId, proof }) => {
        judged.push(`${text(ticketId)}: ${text(proof)}`);
        if (judgement !== undefined) return judgement;
        return text(proof) === 'right of accepter'
          ? { outcome: 'paired', answerProof: bytes('right of inviter'), repeated: false }
          : { outcome: 'refused', reason: 'wrong-proof' };
      },
    },
    0,
  );
  return { pairing, judged };
}

const sentBy = (actions: readonly PairingAction[]): Frame[] =>
  actions.flatMap((action) => {
    if (action.do !== 'send') return [];
    const { frameType, payload } = encodePayload(action.frame);
    const frame = decodePayload(frameType, payload);
    return frame === undefined ? [] : [frame];
  });

const verdicts = (actions: readonly PairingAction[]) =>
  actions.filter((action) => action.do === 'paired' || action.do === 'failed');

const redeem = (): Frame => ({
  type: 'redeem',
  ticketId: TICKET_ID,
  proof: bytes('right of accepter'),
  name: 'laptop',
  listenPort: undefined,
});

describe('redeeming an invitation', () => {
  it('pairs both sides, the inviter before it answers', () => {
    const asking = accepter();
    const { pairing, judged } = inviter();
    const [request] = sentBy(asking.start());
    const answer = pairing.handle(request ?? redeem(), 1);
    expect(judged).toEqual(['ticket: right of accepter']);
    expect(answer.map((action) => action.do)).toEqual(['paired', 'send']);
    expect(answer[0]).toEqual({ do: 'paired', name: 'laptop', listenPort: 4_242, repeated: false });
    const [redeemed] = sentBy(answer);
    expect(redeemed && asking.handle(redeemed, 2)).toEqual([
      { do: 'paired', name: 'desktop', listenPort: undefined, repeated: false },
      { do: 'close', code: CloseCode.goodbye, reason: 'paired' },
    ]);
  });

  it('tells the accepter why it was refused, and the inviter who could not prove it', () => {
    const asking = accepter('wrong');
    const { pairing } = inviter();
    const [request] = sentBy(asking.start());
    const answer = pairing.handle(request ?? redeem(), 1);
    expect(verdicts(answer)).toMatchObject([{ do: 'failed', reason: 'wrong-proof' }]);
    const [refusal] = sentBy(answer);
    expect(refusal && asking.handle(refusal, 2)).toMatchObject([
      { do: 'failed', reason: 'refused', text: 'This invitation is not known here.' },
      { do: 'close', code: CloseCode.goodbye, reason: 'refused' },
    ]);
  });

  it('answers a wrong proof exactly as it answers an unknown invitation, and other refusals as they are', () => {
    const refusalOf = (reason: RefusalReason) =>
      sentBy(inviter({ outcome: 'refused', reason }).pairing.handle(redeem(), 1));
    expect(refusalOf('wrong-proof')).toEqual(refusalOf('unknown'));
    const others = (['unknown', 'expired', 'used', 'rate-limited'] as const).map(refusalOf);
    expect(new Set(others.map((frames) => JSON.stringify(frames))).size).toBe(4);
  });

  it('says whether the device redeemed it before', () => {
    const again = inviter({ outcome: 'paired', answerProof: bytes('p'), repeated: true }).pairing;
    expect(verdicts(again.handle(redeem(), 1))).toMatchObject([{ do: 'paired', repeated: true }]);
  });

  it('does not take an inviter that cannot prove that it invited', () => {
    const asking = accepter();
    asking.start();
    const answer: Frame = { type: 'redeemed', proof: bytes('wrong'), name: 'desktop' };
    expect(asking.handle(answer, 1)).toMatchObject([
      { do: 'failed', reason: 'wrong-proof' },
      { do: 'close', code: CloseCode.handshakeFailed },
    ]);
  });

  it('judges one attempt on one connection', () => {
    const { pairing, judged } = inviter();
    pairing.handle(redeem(), 1);
    expect(pairing.handle(redeem(), 2)).toMatchObject([{ do: 'close', code: CloseCode.protocolError }]);
    expect(pairing.handle(redeem(), 3)).toEqual([]);
    expect(judged).toHaveLength(1);
  });

  it('takes at most ten seconds', () => {
    const waiting = inviter().pairing;
    expect(waiting.tick(PAIRING_TIMEOUT_MS - 1)).toEqual([]);
    expect(waiting.handle(redeem(), PAIRING_TIMEOUT_MS)).toMatchObject([
      { do: 'failed', reason: 'timeout' },
      { do: 'close', code: CloseCode.handshakeTimeout },
    ]);
    const answered = inviter().pairing;
    answered.handle(redeem(), 1);
    expect(answered.tick(PAIRING_TIMEOUT_MS)).toMatchObject([{ do: 'close' }]);
    const asking = accepter();
    asking.start();
    expect(asking.tick(PAIRING_TIMEOUT_MS)).toMatchObject([
      { do: 'failed', reason: 'timeout' },
      { do: 'close' },
    ]);
  });

  it('fails when the connection ends before the answer, and not after it', () => {
    const lost = accepter();
    lost.start();
    expect(verdicts(lost.disconnected())).toMatchObject([{ do: 'failed', reason: 'disconnected' }]);
    expect(lost.disconnected()).toEqual([]);
    const paired = accepter();
    paired.start();
    paired.handle({ type: 'redeemed', proof: bytes('right of inviter'), name: 'desktop' }, 1);
    expect(paired.disconnected()).toEqual([]);
  });

  it('comes to one verdict on either side, whatever comes whenever', () => {
    const frame = fc.constantFrom<Frame>(
      redeem(),
      { type: 'redeemed', proof: bytes('right of inviter'), name: 'desktop' },
      { type: 'redeemed', proof: bytes('wrong'), name: 'desktop' },
      { type: 'pairRefused', reason: 'no' },
      { type: 'sasReveal', nonce: bytes('n') },
      { type: 'error', code: 3, text: 'bad' },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(frame, fc.nat(5_000)), { maxLength: 6 }), (steps) => {
        for (const side of [accepter(), inviter().pairing]) {
          const actions: PairingAction[] = [];
          let nowMs = 0;
          for (const [each, waitMs] of steps) {
            nowMs += waitMs;
            actions.push(...side.handle(each, nowMs));
          }
          actions.push(...side.tick(nowMs + PAIRING_TIMEOUT_MS));
          expect(verdicts(actions)).toHaveLength(1);
          expect(actions.filter((action) => action.do === 'close')).toHaveLength(1);
          expect(actions.at(-1)?.do).toBe('close');
        }
      }),
    );
  });
});
