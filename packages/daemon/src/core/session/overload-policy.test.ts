import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OverloadPolicy } from './overload-policy.js';
import { ThrottlePace } from './throttle-pace.js';

const OPTIONS = { maxPending: 1_000, lowPending: 500, minEntriesPerSecond: 10, forMs: 10_000 };

describe('OverloadPolicy', () => {
  it('asks for nothing while no more is pending than is bearable', () => {
    const policy = new OverloadPolicy(OPTIONS);
    for (let nowMs = 0; nowMs < 100_000; nowMs += 100) {
      policy.countReceived(1_000);
      expect(policy.decide(1_000, nowMs)).toBeUndefined();
    }
    expect(policy.nextCheckMs).toBeUndefined();
  });

  it('asks, asks again while it lasts but not too often, and lifts it once', () => {
    const step = fc.record({ pending: fc.nat(2_000), afterMs: fc.nat(4_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const policy = new OverloadPolicy(OPTIONS);
        let nowMs = 0;
        let askedMs: number | undefined;
        for (const { pending, afterMs } of steps) {
          nowMs += afterMs;
          policy.countReceived(pending);
          const asked = policy.decide(pending, nowMs);
          if (asked === undefined) {
            if (askedMs === undefined) expect(pending).toBeLessThanOrEqual(1_000);
            else {
              expect(pending).toBeGreaterThan(500);
              expect(nowMs - askedMs).toBeLessThan(5_000);
            }
          } else if (asked.forMs === 0) {
            expect(askedMs).toBeDefined();
            expect(pending).toBeLessThanOrEqual(500);
            askedMs = undefined;
          } else {
            if (askedMs === undefined) expect(pending).toBeGreaterThan(1_000);
            else expect(nowMs - askedMs).toBeGreaterThanOrEqual(5_000);
            expect(asked.entriesPerSecond).toBeGreaterThanOrEqual(10);
            expect(asked.forMs).toBeLessThanOrEqual(60_000);
            askedMs = nowMs;
          }
          expect(policy.nextCheckMs).toBe(askedMs === undefined ? undefined : askedMs + 5_000);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps what is pending in bounds, against a sender that obeys and a disk of any speed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 3_000 }), (drainPerSecond) => {
        const policy = new OverloadPolicy(OPTIONS);
        const pace = new ThrottlePace();
        let pending = 0;
        let drained = 0;
        let highest = 0;
        for (let nowMs = 0; nowMs < 300_000; nowMs += 100) {
          const burst = Math.min(500, pace.allowed(nowMs));
          pace.sent(burst, nowMs);
          pending += burst;
          policy.countReceived(burst);
          highest = Math.max(highest, pending);
          const done = Math.min(pending, drainPerSecond / 10);
          pending -= done;
          drained += done;
          const asked = policy.decide(Math.ceil(pending), nowMs);
          if (asked !== undefined) pace.ask(asked, nowMs);
        }
        // One burst beyond the bound, before it was told.
        expect(highest).toBeLessThanOrEqual(1_500 + 500);
        // And the disk was never idle for want of entries.
        expect(drained).toBeGreaterThan(0.95 * Math.min(drainPerSecond, 5_000) * 300);
      }),
      { numRuns: 30 },
    );
  });
});
