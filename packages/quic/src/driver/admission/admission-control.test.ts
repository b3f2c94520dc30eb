import { describe, expect, it } from 'vitest';
import { DEFAULT_ADMISSION } from '../options.js';
import { AdmissionControl, type AttemptOrigin } from './admission-control.js';

const limits = {
  ...DEFAULT_ADMISSION,
  maxHalfOpen: 4,
  maxHalfOpenPerAddress: 2,
  retryAboveHalfOpen: 3,
  maxConnections: 6,
  maxConnectionsPerAddress: 3,
};

function from(host: string, isValidated = false): AttemptOrigin {
  return { host, isValidated };
}

describe('AdmissionControl', () => {
  it('asks for a Retry above the share of an address, and is silent where that did not help', () => {
    const control = new AdmissionControl(limits, 0);
    control.handleStarted(from('a', true));
    control.handleStarted(from('a', true));
    expect(control.decide(from('a', true), 0)).toEqual({
      decision: 'ignore',
      reason: 'too-many-half-open-from-address',
    });
    expect(control.decide(from('b'), 0).decision).toBe('admit');
    control.handleSettled(from('a', true));
    expect(control.decide(from('a', true), 0).decision).toBe('admit');
  });

  it('lets nobody use up the share of an address in whose name they only send', () => {
    const control = new AdmissionControl(limits, 0);
    control.handleStarted(from('a'));
    control.handleStarted(from('a'));
    expect(control.decide(from('a'), 0).decision).toBe('retry');
    expect(control.decide(from('a', true), 0).decision).toBe('admit');
  });

  it('asks for a Retry above its threshold, and is silent at the limit', () => {
    const control = new AdmissionControl(limits, 0);
    for (const host of ['a', 'b', 'c']) control.handleStarted(from(host));
    expect(control.decide(from('d'), 0).decision).toBe('retry');
    expect(control.decide(from('d', true), 0).decision).toBe('admit');
    control.handleStarted(from('d', true));
    expect(control.decide(from('e', true), 0)).toEqual({ decision: 'ignore', reason: 'too-many-half-open' });
    expect(control.halfOpen).toBe(4);
  });

  it('limits connections in total and of an address, until they end', () => {
    const control = new AdmissionControl(limits, 0);
    const open = (host: string): void => {
      control.handleStarted(from(host));
      control.handleSettled(from(host));
    };
    for (let i = 0; i < 3; i++) open('a');
    expect(control.decide(from('a', true), 0)).toEqual({
      decision: 'ignore',
      reason: 'too-many-connections-from-address',
    });
    for (let i = 0; i < 3; i++) open(`${i}`);
    expect(control.decide(from('x', true), 0)).toEqual({
      decision: 'ignore',
      reason: 'too-many-connections',
    });
    control.handleEnded(from('a'));
    expect(control.decide(from('x', true), 0).decision).toBe('admit');
    expect(control.decide(from('a', true), 0).decision).toBe('admit');
  });

  it('limits new connections a second, validated ones apart from the others', () => {
    const control = new AdmissionControl(
      { ...DEFAULT_ADMISSION, newConnectionsBurst: 3, newConnectionsPerSecond: 1 },
      0,
    );
    const decide = (isValidated: boolean, now: number): string =>
      control.decide(from(`${now}`, isValidated), now).decision;
    expect([0, 0, 0, 0].map((now) => decide(false, now))).toEqual(['admit', 'admit', 'admit', 'retry']);
    expect([0, 0, 0, 0].map((now) => decide(true, now))).toEqual(['admit', 'admit', 'admit', 'ignore']);
    expect(decide(true, 1_000)).toBe('admit');
    expect(decide(true, 1_001)).toBe('ignore');
  });

  it('lets one busy address not take from the others', () => {
    const control = new AdmissionControl(
      { ...DEFAULT_ADMISSION, newConnectionsPerAddressBurst: 2, newConnectionsPerAddressPerSecond: 1 },
      0,
    );
    const decisions = Array.from({ length: 5_000 }, () => control.decide(from('a', true), 0).decision);
    expect(decisions.filter((decision) => decision === 'admit')).toHaveLength(2);
    expect(control.decide(from('b', true), 0).decision).toBe('admit');
  });

  it('remembers nothing of what it turns away, and a bounded number of addresses otherwise', () => {
    const control = new AdmissionControl({ ...limits, maxConnections: 0 }, 0);
    for (let i = 0; i < 10_000; i++) control.decide(from(`${i}`, i % 2 === 0), i);
    expect(control.rememberedAddresses).toBe(0);
    const open = new AdmissionControl({ ...DEFAULT_ADMISSION, newConnectionsPerSecond: 1e6 }, 0);
    for (let i = 0; i < 10_000; i++) {
      const origin = from(`${i}`, i % 2 === 0);
      expect(open.decide(origin, i).decision).toBe('admit');
      open.handleStarted(origin);
      open.handleSettled(origin);
      open.handleEnded(origin);
    }
    expect(open.rememberedAddresses).toBeLessThanOrEqual(2 * 1_024);
  });
});
