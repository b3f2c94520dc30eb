import { asBoolean, asBytes, asUint } from './fields.js';
import { type FrameCodecs, frameCodec } from './frame-codec.js';
import type { FrameOf } from './frames.js';
import { readName, readReason } from './identifier-fields.js';
import { Limits } from './limits.js';

const MAX_PORT = 65_535;

function secret(value: unknown, name: string): Uint8Array {
  return asBytes(value, name, Limits.secretBytes);
}

export const pairingCodecs: FrameCodecs<
  'redeem' | 'redeemed' | 'sasCommit' | 'sasNonce' | 'sasReveal' | 'sasConfirm' | 'pairRefused'
> = {
  redeem: frameCodec<FrameOf<'redeem'>>({
    write: (frame) => [
      [0, frame.ticketId],
      [1, frame.proof],
      [2, frame.name],
      [3, frame.listenPort],
    ],
    read: (fields) => {
      const port = fields.get(3);
      return {
        type: 'redeem',
        ticketId: secret(fields.get(0), 'ticket ID'),
        proof: secret(fields.get(1), 'proof'),
        name: readName(fields.get(2), 'name'),
        listenPort: port === undefined ? undefined : asUint(port, 'port', MAX_PORT),
      };
    },
  }),
  redeemed: frameCodec<FrameOf<'redeemed'>>({
    write: (frame) => [
      [0, frame.proof],
      [1, frame.name],
    ],
    read: (fields) => ({
      type: 'redeemed',
      proof: secret(fields.get(0), 'proof'),
      name: readName(fields.get(1), 'name'),
    }),
  }),
  sasCommit: frameCodec<FrameOf<'sasCommit'>>({
    write: (frame) => [
      [0, frame.commitment],
      [1, frame.name],
    ],
    read: (fields) => ({
      type: 'sasCommit',
      commitment: secret(fields.get(0), 'commitment'),
      name: readName(fields.get(1), 'name'),
    }),
  }),
  sasNonce: frameCodec<FrameOf<'sasNonce'>>({
    write: (frame) => [
      [0, frame.nonce],
      [1, frame.name],
    ],
    read: (fields) => ({
      type: 'sasNonce',
      nonce: secret(fields.get(0), 'nonce'),
      name: readName(fields.get(1), 'name'),
    }),
  }),
  sasReveal: frameCodec<FrameOf<'sasReveal'>>({
    write: (frame) => [[0, frame.nonce]],
    read: (fields) => ({ type: 'sasReveal', nonce: secret(fields.get(0), 'nonce') }),
  }),
  sasConfirm: frameCodec<FrameOf<'sasConfirm'>>({
    write: (frame) => [[0, frame.confirmed]],
    read: (fields) => ({ type: 'sasConfirm', confirmed: asBoolean(fields.get(0), 'confirmed') }),
  }),
  pairRefused: frameCodec<FrameOf<'pairRefused'>>({
    write: (frame) => [[0, frame.reason]],
    read: (fields) => ({ type: 'pairRefused', reason: readReason(fields.get(0)) }),
  }),
};
