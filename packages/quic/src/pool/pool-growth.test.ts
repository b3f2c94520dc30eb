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
  readonly waitingBytes?: number;
  readonly lostShare?: number;
}

function sampleOf(
  connections: number,
  { windowBytes, rttMs, loopUtilisation = 0.3, waitingBytes = 1, lostShare = 0.01 }: Path,
): GrowthSample {
  return {
    sentBytesPerSecond: (connections * windowBytes * 1_000) / rttMs,
    windowBytes: connections * windowBytes,
    lostShare,
    waitingBytes,
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
    expect(actions).toEqual(['4 open', '11 open', '18 open']);
    expect(connections).toBe(4);
  });

  it('opens none where packets queue on a full link, whatever the window', () => {
    expect(play(600, () => ({ windowBytes: 4 * MIB, rttMs: 40 })).actions).toEqual([]);
    expect(play(600, () => ({ windowBytes: MIB, rttMs: 36 })).actions).toEqual([]);
  });

  it('opens none where much is lost, as on a full link with a short queue', () => {
    const { actions, growth } = play(60, (_, second) => ({
      windowBytes: 64 * 1024,
      rttMs: 20,
      lostShare: second % 2 === 0 ? 0.2 : 0,
    }));
    expect(actions).toEqual([]);
    expect(growth.limit).toBe('path');
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

  it('makes nothing of a trial in which there was less to send, and the worst of one in which all got slower', () => {
    const path = (_: number, second: number) => ({ windowBytes: 64 * 1024, rttMs: second > 6 ? 1_000 : 20 });
    expect(play(60, path).actions).toEqual(['4 open', '10 withdraw']);
    const emptied = (connections: number, second: number) => ({
      ...path(connections, second),
      waitingBytes: second > 6 ? 0 : 1,
    });
    expect(play(60, emptied).actions).toEqual(['4 open']);
  });

  it('compares with what was sent before the new one was in use, however long that took', () => {
    const growth = new PoolGrowth();
    const at = (second: number, bytes: number) =>
      growth.observe(
        { ...sampleOf(1, { windowBytes: bytes, rttMs: 20 }), mayOpen: second <= 4 },
        second * 1_000,
      );
    for (let second = 1; second <= 4; second++) at(second, 64 * 1024);
    // The path got four times as good meanwhile.
    for (let second = 5; second <= 20; second++) expect(at(second, 256 * 1024)).toBeUndefined();
    growth.opened();
    const actions = Array.from({ length: 6 }, (_, i) => at(21 + i, 256 * 1024));
    expect(actions.at(-1)).toBe('withdraw');
  });

  it('opens none where what is to be sent comes too slowly', () => {
    expect(play(60, () => ({ windowBytes: 64 * 1024, rttMs: 20, waitingBytes: 0 })).actions).toEqual([]);
  });

  it('takes windows together that swing from one second to the next', () => {
    const swing = (second: number) => [13, 30, 21, 11][second % 4] ?? 13;
    const growth = new PoolGrowth();
    const actions = Array.from({ length: 6 }, (_, second) =>
      growth.observe(
        {
          ...sampleOf(1, { windowBytes: 1, rttMs: 20 }),
          sentBytesPerSecond: 0.7e6,
          windowBytes: swing(second) * 1024,
        },
        second * 1_000,
      ),
    );
    expect(actions).toContain('open');
  });

  it('never asks for one while it may not, nor where one of the last four seconds was idle or the loop busy', () => {
    const sample = fc.record({
      sentBytesPerSecond: fc.integer({ min: 0, max: 4 * MIB }),
      windowBytes: fc.integer({ min: 0, max: MIB }),
      lostShare: fc.constantFrom(0, 0, 0, 0.01, 0.1),
      waitingBytes: fc.constantFrom(0, 1, 1, 1, 1, 1),
      baseRttMs: fc.integer({ min: 0, max: 200 }),
      loopUtilisation: fc.double({ min: 0, max: 0.8, noNaN: true }),
      mayOpen: fc.boolean(),
    });
    let opened = 0;
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
        const growth = new PoolGrowth();
        for (const [i, each] of samples.entries()) {
          if (growth.observe(each, i * 1_000) !== 'open') continue;
          opened++;
          expect(each.mayOpen).toBe(true);
          const last = samples.slice(i - 3, i + 1);
          expect(last).toHaveLength(4);
          for (const { loopUtilisation, sentBytesPerSecond, waitingBytes } of last) {
            expect(waitingBytes).toBe(1);
            expect(loopUtilisation).toBeLessThanOrEqual(0.75);
            expect(sentBytesPerSecond).toBeGreaterThanOrEqual(32 * 1024);
          }
          growth.opened();
        }
      }),
      { numRuns: 300 },
    );
    expect(opened).toBeGreaterThan(3);
  });
});
