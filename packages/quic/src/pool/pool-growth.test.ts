import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GrowthSample, PoolGrowth } from './pool-growth.js';

const MIB = 1024 * 1024;

/** What one connection shows of itself in a second, on a path of 20 ms. */
interface Path {
  readonly windowBytes: number;
  /** With what waits on a full link. */
  readonly rttMs: number;
  readonly loopUtilisation?: number;
}

function sampleOf(connections: number, { windowBytes, rttMs, loopUtilisation = 0.3 }: Path): GrowthSample {
  return {
    sentBytesPerSecond: (connections * windowBytes * 1_000) / rttMs,
    windowBytes: connections * windowBytes,
    baseRttMs: 20,
    loopUtilisation,
    mayOpen: connections < 4,
  };
}

/** Second after second; each connection that is asked for is there a second later. */
function play(seconds: number, path: (connections: number, second: number) => Path) {
  const growth = new PoolGrowth();
  const actions: string[] = [];
  let connections = 1;
  for (let second = 1; second <= seconds; second++) {
    const action = growth.observe(sampleOf(connections, path(connections, second)), second * 1_000);
    if (action !== undefined) actions.push(`${second} ${action}`);
    if (action === 'open') {
      connections++;
      growth.opened();
    } else if (action === 'withdraw') {
      connections--;
      growth.closed();
    }
  }
  return { actions, connections, growth };
}

describe('PoolGrowth', () => {
  it('opens one after the other where loss keeps each window small', () => {
    const { actions, connections } = play(60, () => ({ windowBytes: 64 * 1024, rttMs: 20 }));
    expect(actions).toEqual(['4 open', '14 open', '24 open']);
    expect(connections).toBe(4);
  });

  it('opens none where packets queue on a full link, whatever the window', () => {
    expect(play(600, () => ({ windowBytes: 4 * MIB, rttMs: 40 })).actions).toEqual([]);
    expect(play(600, () => ({ windowBytes: MIB, rttMs: 30 })).actions).toEqual([]);
  });

  it('opens none where the event loop is busy', () => {
    const { actions, growth } = play(600, () => ({ windowBytes: MIB, rttMs: 20, loopUtilisation: 0.9 }));
    expect(actions).toEqual([]);
    expect(growth.limit).toBe('loop');
  });

  it('opens none while the window still grows', () => {
    expect(play(20, (_, second) => ({ windowBytes: 4_096 * 1.2 ** second, rttMs: 20 })).actions).toEqual([]);
  });

  it('opens none where too little is sent to be worth it, or the path shows no delay', () => {
    expect(play(600, () => ({ windowBytes: 512, rttMs: 20 })).actions).toEqual([]);
    const growth = new PoolGrowth();
    for (let second = 1; second < 100; second++) {
      const sample = { ...sampleOf(1, { windowBytes: MIB, rttMs: 1 }), baseRttMs: 0 };
      expect(growth.observe(sample, second * 1_000)).toBeUndefined();
    }
  });

  it('withdraws one that brought nothing, and asks again after ten minutes, then after twenty', () => {
    // What there is, all of them share: each gets its part.
    const { actions, connections } = play(4_000, (n) => ({ windowBytes: MIB / n, rttMs: 20 }));
    expect(actions).toEqual([
      '4 open',
      '10 withdraw',
      '610 open',
      '616 withdraw',
      '1816 open',
      '1822 withdraw',
    ]);
    expect(connections).toBe(1);
  });

  it('makes nothing of a trial in which there was less to send', () => {
    const { actions } = play(60, (_, second) => ({
      windowBytes: 64 * 1024,
      rttMs: second > 6 ? 1_000 : 20,
    }));
    expect(actions).toEqual(['4 open']);
  });

  it('never asks for one while it may not, or before the same was seen for four seconds', () => {
    const sample = fc.record({
      sentBytesPerSecond: fc.integer({ min: 0, max: 100 * MIB }),
      windowBytes: fc.integer({ min: 0, max: 16 * MIB }),
      baseRttMs: fc.integer({ min: 0, max: 200 }),
      loopUtilisation: fc.double({ min: 0, max: 1, noNaN: true }),
      mayOpen: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
        const growth = new PoolGrowth();
        let limited = 0;
        for (const [i, each] of samples.entries()) {
          const action = growth.observe(each, i * 1_000);
          limited = growth.limit === 'window' ? limited + 1 : 0;
          if (action === 'open') {
            expect(each.mayOpen).toBe(true);
            expect(each.loopUtilisation).toBeLessThanOrEqual(0.75);
            expect(limited).toBeGreaterThanOrEqual(4);
            growth.opened();
            limited = 0;
          } else if (action === 'withdraw') limited = 0;
        }
      }),
    );
  });
});
