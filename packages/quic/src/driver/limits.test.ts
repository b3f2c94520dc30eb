import { describe, expect, it } from 'vitest';
import { AbortCredit } from '../abort-credit.js';
import { fileSync } from '../transport-profile.js';
import { UnverifiedBudget } from './admission/unverified-budget.js';
import { DEFAULT_ADMISSION } from './options.js';
import { withoutZone, zoneOf } from './path/address.js';
import { ReceiveBudget } from './receive-budget.js';
import { StallWatch } from './sending/stall-watch.js';

const MIB = 1024 * 1024;

describe('AbortCredit', () => {
  it('is used up at a quarter of the streams, of either kind, or of the window', () => {
    const bidi = new AbortCredit(fileSync);
    for (let i = 0; i < 255; i++) bidi.count('bidi', 0);
    expect(bidi.isUsedUp).toBe(false);
    bidi.count('bidi', 0);
    expect(bidi.isUsedUp).toBe(true);
    const uni = new AbortCredit(fileSync);
    for (let i = 0; i < 16; i++) uni.count('uni', 0);
    expect(uni.isUsedUp).toBe(true);
    expect(uni.aborted).toBe(16);
    const window = new AbortCredit(fileSync);
    window.count('bidi', 15 * MIB);
    expect(window.isUsedUp).toBe(false);
    window.count('bidi', MIB);
    expect(window.isUsedUp).toBe(true);
  });
});

describe('UnverifiedBudget', () => {
  it('admits 32 datagrams', () => {
    const budget = new UnverifiedBudget(DEFAULT_ADMISSION);
    const admitted = Array.from({ length: 100 }, () => budget.admit(1_200)).filter(Boolean);
    expect(admitted).toHaveLength(32);
  });

  it('admits 64 KiB', () => {
    const budget = new UnverifiedBudget(DEFAULT_ADMISSION);
    expect(budget.admit(40_000)).toBe(true);
    expect(budget.admit(40_000)).toBe(false);
    expect(budget.admit(20_000)).toBe(true);
  });
});

describe('ReceiveBudget', () => {
  it('lets full windows wait unread, and overhead drain', () => {
    const budget = new ReceiveBudget(64 * MIB, 0);
    budget.noteReceived(90 * MIB);
    expect(budget.isExceeded(0)).toBe(false);
    for (let second = 1; second < 3_600; second++) {
      budget.noteReceived(MIB / 2);
      expect(budget.isExceeded(second * 1_000)).toBe(false);
    }
  });

  it('does not mind the overhead of small packets, however long it goes on, nor one in twenty that comes twice', () => {
    const budget = new ReceiveBudget(64 * MIB, 0);
    // A minute of 1 Gbit/s in packets of 1,350 bytes, with next to nothing to acknowledge.
    for (let second = 1; second <= 60; second++) {
      for (let packet = 0; packet < 90_000; packet++) {
        budget.noteReceived(1_350);
        if (packet % 20 !== 0) budget.noteDelivered(1_297);
      }
      expect(budget.isExceeded(second * 1_000)).toBe(false);
    }
  });

  it('does not mind bytes that are read, or acknowledgements of what we send', () => {
    const budget = new ReceiveBudget(64 * MIB, 0);
    for (let i = 0; i < 1_000; i++) {
      budget.noteReceived(10 * MIB);
      budget.noteDelivered(9.9 * MIB);
      budget.noteSent(MIB / 64);
      expect(budget.isExceeded(i)).toBe(false);
    }
  });

  it('notices a flood that carries nothing', () => {
    const budget = new ReceiveBudget(64 * MIB, 0);
    for (let packet = 0; packet < 85_000; packet++) budget.noteReceived(1_200);
    expect(budget.isExceeded(0)).toBe(false);
    for (let packet = 0; packet < 5_000; packet++) budget.noteReceived(1_200);
    expect(budget.isExceeded(1_000)).toBe(true);
  });
});

describe('StallWatch', () => {
  it('finds urgent bytes that wait for five seconds although the peer is heard', () => {
    const watch = new StallWatch();
    for (let now = 0; now < 5_000; now += 1_000) {
      watch.noteReceived(now);
      expect(watch.isStalled(true, now)).toBe(false);
    }
    watch.noteReceived(5_000);
    expect(watch.isStalled(true, 5_000)).toBe(true);
  });

  it('leaves a silent peer to the idle timeout', () => {
    const watch = new StallWatch();
    watch.noteReceived(0);
    watch.isStalled(true, 0);
    expect(watch.isStalled(true, 20_000)).toBe(false);
  });

  it('begins anew whenever something moves', () => {
    const watch = new StallWatch();
    watch.noteReceived(0);
    watch.isStalled(true, 0);
    watch.noteProgress(4_000);
    watch.noteReceived(6_000);
    expect(watch.isStalled(true, 6_000)).toBe(false);
    expect(watch.isStalled(false, 8_000)).toBe(false);
    watch.noteReceived(9_000);
    expect(watch.isStalled(true, 9_000)).toBe(false);
  });
});

describe('zones', () => {
  it('are kept from quiche', () => {
    expect(withoutZone('fe80::1%eth0')).toBe('fe80::1');
    expect(withoutZone('192.0.2.1')).toBe('192.0.2.1');
    expect(zoneOf('fe80::1%eth0')).toBe('eth0');
    expect(zoneOf('fe80::1')).toBeUndefined();
  });
});
