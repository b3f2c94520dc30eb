import { encodeFrame } from '@landropic/quic';
import { describe, expect, test } from 'vitest';
import { encodePayload } from '../core/wire/codec.js';
import { Limits } from '../core/wire/limits.js';
import { readControlFrames } from './control-frames.js';

function clockOf(now: { ms: number }) {
  return { nowMs: () => now.ms, monotonicMs: () => now.ms, after: () => () => {} };
}

const { frameType, payload } = encodePayload({ type: 'ping', nonce: 1 });
const ping = encodeFrame(frameType, payload);
const pings = (count: number) => Buffer.concat(Array.from({ length: count }, () => ping));

describe('the control stream of a peer', () => {
  test('may carry so many frames at once and no more', async () => {
    const pieces = [pings(Limits.controlFramesAtOnce), ping];
    const stream = { read: async () => pieces.shift() ?? null };
    let seen = 0;
    const reading = (async () => {
      for await (const _ of readControlFrames(stream, new Uint8Array(), clockOf({ ms: 0 }))) seen++;
    })();
    await expect(reading).rejects.toMatchObject({ code: 'limit-exceeded' });
    expect(seen).toBe(Limits.controlFramesAtOnce);
  });

  test('may carry so many a second for ever', async () => {
    const now = { ms: 0 };
    let seconds = 100;
    const stream = {
      read: async () => {
        now.ms += 1_000;
        return seconds-- > 0 ? pings(Limits.controlFramesPerSecond) : null;
      },
    };
    let seen = 0;
    for await (const _ of readControlFrames(stream, new Uint8Array(), clockOf(now))) seen++;
    expect(seen).toBe(100 * Limits.controlFramesPerSecond);
  });
});
