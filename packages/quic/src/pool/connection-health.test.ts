import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionHealth } from './connection-health.js';

describe('ConnectionHealth', () => {
  it('pings every 30 s as long as answers come', () => {
    const health = new ConnectionHealth(0);
    expect(health.tick(29_999)).toBeUndefined();
    for (let i = 1; i <= 5; i++) {
      expect(health.nextTickMs).toBe(i * 30_000);
      expect(health.tick(i * 30_000)).toEqual({ do: 'ping', nonce: i });
      health.answered(i);
    }
    expect(health.misses).toBe(0);
  });

  it('replaces the connection after three misses in a row, and says so once', () => {
    const health = new ConnectionHealth(0);
    const done = [];
    for (let now = 0; now <= 300_000; now += 500) {
      const action = health.tick(now);
      if (action !== undefined) done.push([now, action.do]);
    }
    expect(done).toEqual([
      [30_000, 'ping'],
      [60_000, 'ping'],
      [90_000, 'ping'],
      [100_000, 'replace'],
    ]);
    expect(health.nextTickMs).toBeUndefined();
  });

  it('counts only misses in a row: a late answer is an answer', () => {
    const health = new ConnectionHealth(0);
    health.tick(30_000);
    health.tick(40_000);
    expect(health.misses).toBe(1);
    health.answered(1);
    expect(health.misses).toBe(0);
    health.tick(60_000);
    health.tick(70_000);
    expect(health.misses).toBe(1);
  });

  it('takes no answer to a ping that it has not sent', () => {
    const health = new ConnectionHealth(0);
    health.tick(30_000);
    health.tick(40_000);
    for (const nonce of [0, 2, -1, Number.NaN]) health.answered(nonce);
    expect(health.misses).toBe(1);
  });

  it('asks once after the machine slept, not once for every interval it missed', () => {
    const health = new ConnectionHealth(0);
    expect(health.tick(3_600_000)).toEqual({ do: 'ping', nonce: 1 });
    expect(health.nextTickMs).toBe(3_610_000);
  });

  it('gives up exactly on three misses in a row, when ticked at the times that it names', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 20 }), (answers) => {
        const health = new ConnectionHealth(0);
        let missesInRow = 0;
        for (const isAnswered of answers) {
          let action = health.tick(health.nextTickMs ?? 0);
          while (action === undefined && health.nextTickMs !== undefined)
            action = health.tick(health.nextTickMs);
          expect(action?.do).toBe(missesInRow === 3 ? 'replace' : 'ping');
          if (action?.do !== 'ping') return;
          if (isAnswered) health.answered(action.nonce);
          missesInRow = isAnswered ? 0 : missesInRow + 1;
        }
      }),
    );
  });
});
