import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ThrottlePace } from './throttle-pace.js';

describe('ThrottlePace', () => {
  it('lets everything out while nothing was asked', () => {
    const pace = new ThrottlePace();
    expect(pace.allowed(5)).toBe(Number.POSITIVE_INFINITY);
    pace.sent(1_000_000, 5);
    expect(pace.waitMs(5)).toBe(0);
  });

  it('never lets out more than was asked for, whatever is asked and however often, and waits no longer than it must', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('ask' as const),
        rate: fc.nat(500),
        forMs: fc.nat(60_000),
      }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.nat(3_000) }),
      fc.record({ do: fc.constant('wait' as const) }),
      fc.record({ do: fc.constant('send' as const), wanted: fc.nat(2_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pace = new ThrottlePace();
        let nowMs = 0;
        let untilMs = Number.NEGATIVE_INFINITY;
        let rate = 0;
        let granted = 0;
        let sent = 0;
        const pass = (ms: number) => {
          granted += (Math.max(0, Math.min(untilMs, nowMs + ms) - nowMs) * rate) / 1000;
          nowMs += ms;
        };
        for (const each of steps) {
          if (each.do === 'pass') pass(each.ms);
          else if (each.do === 'wait') {
            const waitMs = pace.waitMs(nowMs);
            expect(waitMs).toBeLessThanOrEqual(60_000);
            pass(waitMs);
            if (nowMs < untilMs) expect(pace.allowed(nowMs)).toBeGreaterThanOrEqual(1);
            else expect(pace.allowed(nowMs)).toBe(Number.POSITIVE_INFINITY);
          } else if (each.do === 'ask') {
            if (nowMs >= untilMs) granted = sent = 0;
            rate = each.rate;
            untilMs = nowMs + each.forMs;
            pace.ask({ entriesPerSecond: each.rate, forMs: each.forMs }, nowMs);
          } else {
            const count = Math.min(each.wanted, pace.allowed(nowMs));
            pace.sent(count, nowMs);
            if (nowMs >= untilMs) expect(count).toBe(each.wanted);
            else {
              sent += count;
              expect(sent).toBeLessThanOrEqual(granted + 1e-6);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives up what was asked after 60 s, whatever was asked', () => {
    const pace = new ThrottlePace();
    pace.ask({ entriesPerSecond: 0, forMs: 10 * 60_000 }, 1_000);
    expect(pace.waitMs(1_000)).toBe(60_000);
    expect(pace.allowed(60_999)).toBe(0);
    expect(pace.allowed(61_000)).toBe(Number.POSITIVE_INFINITY);
  });

  it('goes on at once when it is lifted', () => {
    const pace = new ThrottlePace();
    pace.ask({ entriesPerSecond: 1, forMs: 60_000 }, 0);
    pace.ask({ entriesPerSecond: 1, forMs: 0 }, 10);
    expect(pace.allowed(10)).toBe(Number.POSITIVE_INFINITY);
  });

  it('sends a steady stream at the pace that was asked', () => {
    const pace = new ThrottlePace();
    pace.ask({ entriesPerSecond: 50, forMs: 60_000 }, 0);
    let sent = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += Math.max(1, pace.waitMs(nowMs))) {
      const now = pace.allowed(nowMs);
      pace.sent(now, nowMs);
      sent += now;
    }
    expect(sent).toBeGreaterThan(490);
    expect(sent).toBeLessThanOrEqual(500);
  });
});
