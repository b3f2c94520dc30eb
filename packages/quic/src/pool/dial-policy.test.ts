import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DialPolicy, isNotPaired, MAX_ADDRESSES, orderAddresses } from './dial-policy.js';

const almostOne = (): number => 1 - 1e-9;
const dropped = { by: 'timeout', reason: '' } as const;
const unknownHere = { by: 'peer', code: 4, reason: 'not paired' } as const;

function address(n: number) {
  return { host: `10.0.0.${n}`, port: 4_000 };
}

describe('DialPolicy', () => {
  it('doubles the longest wait from 0.5 s to 60 s', () => {
    const policy = new DialPolicy(almostOne);
    const waits = Array.from({ length: 10 }, () => Math.round(policy.failed(false)));
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('draws each wait from the whole of its range', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, random) => {
        let value = almostOne();
        const policy = new DialPolicy(() => value);
        for (let i = 0; i < failures; i++) policy.failed(false);
        value = random;
        const longest = Math.min(60_000, 500 * 2 ** failures);
        expect(policy.failed(false)).toBeCloseTo(random * longest);
      }),
    );
  });

  it('leaves a peer that does not know us alone for ten minutes, whatever discovery says', () => {
    const policy = new DialPolicy(almostOne);
    policy.connected(0);
    expect(policy.lost(unknownHere, 50)).toBe(600_000);
    expect(policy.notPaired).toBe(true);
    expect(policy.refresh(1_000)).toBe(false);
    policy.reset();
    expect(policy.notPaired).toBe(false);
    expect(policy.failed(false)).toBeCloseTo(500, 3);
  });

  it('starts afresh upon news of the device, at most once in 5 s', () => {
    const policy = new DialPolicy(almostOne);
    for (let i = 0; i < 5; i++) policy.failed(false);
    expect(policy.refresh(10_000)).toBe(true);
    expect(policy.failed(false)).toBeCloseTo(500, 3);
    expect(policy.refresh(14_999)).toBe(false);
    expect(policy.failed(false)).toBeCloseTo(1_000, 3);
    expect(policy.refresh(15_000)).toBe(true);
  });

  it('forgets failures after a sound session, and counts a short one as a failure', () => {
    const policy = new DialPolicy(almostOne);
    for (let i = 0; i < 4; i++) policy.failed(false);
    policy.connected(0);
    expect(policy.lost(dropped, 9_999)).toBeCloseTo(8_000, 3);
    policy.connected(20_000);
    expect(policy.lost(dropped, 30_000)).toBeCloseTo(500, 3);
  });

  it('knows the code only from the peer', () => {
    expect(isNotPaired(unknownHere)).toBe(true);
    expect(isNotPaired({ by: 'local', code: 4, reason: '' })).toBe(false);
    expect(isNotPaired({ by: 'peer', code: 5, reason: '' })).toBe(false);
    expect(isNotPaired(undefined)).toBe(false);
  });
});

describe('orderAddresses', () => {
  it('puts the last that authenticated first, each once, at most eight', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12)), fc.option(fc.nat(12)), (numbers, last) => {
        const known = numbers.map(address);
        const preferred = last === null ? undefined : address(last);
        const ordered = orderAddresses(known, preferred);
        const distinct = new Set(numbers);
        expect(ordered).toHaveLength(Math.min(distinct.size, MAX_ADDRESSES));
        expect(new Set(ordered.map(({ host }) => host)).size).toBe(ordered.length);
        if (last !== null && distinct.has(last)) expect(ordered[0]).toEqual(preferred);
        const rest = ordered.filter(({ host }) => host !== preferred?.host).map(({ host }) => host);
        const inOrder = [...distinct].map((n) => address(n).host).filter((host) => rest.includes(host));
        expect(rest).toEqual(inOrder);
      }),
    );
  });

  it('does not dial an address that is no longer known', () => {
    expect(orderAddresses([address(1)], address(2))).toEqual([address(1)]);
  });
});
