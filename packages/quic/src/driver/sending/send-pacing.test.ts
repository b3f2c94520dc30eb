import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendPacing } from './send-pacing.js';

/** A link with a buffer in front of it, which a sender with a window feeds turn by turn. Bytes and ms. */
interface Link {
  readonly bytesPerMs: number;
  readonly bufferBytes: number;
  readonly windowBytes: number;
  /** From one turn of the sender to the next. */
  readonly turnsMs: readonly number[];
}

interface Outcome {
  readonly utilisation: number;
  readonly loss: number;
}

/** Sends for a while; figures of the second half. */
function send(link: Link, pacing: SendPacing | undefined, forMs: number): Outcome {
  let now = 0;
  let queued = 0;
  let sent = 0;
  let lost = 0;
  let delivered = 0;
  // Lost, and not yet known to be.
  let vanished = 0;
  let half: { sent: number; lost: number; delivered: number; now: number } | undefined;
  for (let turn = 0; now < forMs; turn++) {
    const elapsed = link.turnsMs[turn % link.turnsMs.length] ?? 1;
    now += elapsed;
    const drained = Math.min(queued, link.bytesPerMs * elapsed);
    queued -= drained;
    delivered += drained;
    const allowance = pacing?.allowance(now) ?? Number.POSITIVE_INFINITY;
    vanished *= Math.max(0, 1 - elapsed / 5);
    const inFlightBytes = queued + vanished;
    const bytes = Math.max(0, Math.min(allowance, link.windowBytes - inFlightBytes));
    const taken = Math.min(bytes, link.bufferBytes - queued);
    sent += bytes;
    lost += bytes - taken;
    queued += taken;
    vanished += bytes - taken;
    pacing?.noteSent(bytes);
    if (pacing?.isPhaseOver(now)) {
      pacing.handlePhase({ nowMs: now, sentBytes: sent, lostBytes: lost, inFlightBytes });
    }
    pacing?.noteWaiting();
    if (half === undefined && now >= forMs / 2) half = { sent, lost, delivered, now };
  }
  const from = half ?? { sent: 0, lost: 0, delivered: 0, now: 0 };
  return {
    utilisation: (delivered - from.delivered) / (link.bytesPerMs * (now - from.now)),
    loss: (lost - from.lost) / (sent - from.sent),
  };
}

const GIGABIT = 117_000;
const FAST_ETHERNET = 11_700;

describe('SendPacing', () => {
  const turnsMs = [0.4, 1.1, 0.3, 1.2, 0.8];
  const switchOfOneMs = { bytesPerMs: GIGABIT, bufferBytes: 2 * GIGABIT, windowBytes: 350_000, turnsMs };
  const slowLink = {
    bytesPerMs: FAST_ETHERNET,
    bufferBytes: 10 * FAST_ETHERNET,
    windowBytes: 230_000,
    turnsMs,
  };

  it.each([
    ['a gigabit switch with a small buffer', switchOfOneMs],
    ['100 Mbit/s with 10 ms of buffer', slowLink],
  ])('keeps %s busy without overflowing it, which whole windows do', (_name, link) => {
    expect(send(link, undefined, 4_000).loss).toBeGreaterThan(0.1);
    const { loss, utilisation } = send(link, new SendPacing(), 4_000);
    expect(loss).toBeLessThan(0.01);
    expect(utilisation).toBeGreaterThan(0.9);
  });

  it('holds nothing back where the path takes whole windows', () => {
    const link = { ...switchOfOneMs, bufferBytes: 1_000_000 };
    const pacing = new SendPacing();
    expect(send(link, pacing, 1_000)).toEqual({ loss: 0, utilisation: expect.closeTo(1, 2) });
    expect(pacing.allowance(1_001)).toBe(Number.POSITIVE_INFINITY);
  });

  it('keeps any path busy, however late its turns come, and loses far less than whole windows do', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10_000, max: 500_000 }),
        fc.double({ min: 8, max: 30, noNaN: true }),
        fc.array(fc.double({ min: 0.2, max: 3, noNaN: true }), { minLength: 1, maxLength: 20 }),
        (bytesPerMs, bufferMs, turns) => {
          const bufferBytes = Math.max(30_000, bytesPerMs * bufferMs);
          const link = { bytesPerMs, bufferBytes, windowBytes: 1.5 * bufferBytes, turnsMs: turns };
          const { loss, utilisation } = send(link, new SendPacing(), 6_000);
          expect(loss).toBeLessThan(0.01 + send(link, undefined, 6_000).loss / 2);
          expect(utilisation).toBeGreaterThan(0.8);
        },
      ),
    );
  });

  it('knows what the path delivers', () => {
    const pacing = new SendPacing();
    send(slowLink, pacing, 2_000);
    expect(pacing.deliveredRate / FAST_ETHERNET).toBeCloseTo(1, 1);
  });
});
