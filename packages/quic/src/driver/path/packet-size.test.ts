import { describe, expect, it } from 'vitest';
import { findPacketTarget } from './interface-mtu.js';
import { PacketSize } from './packet-size.js';

/** Lets time pass for a path that carries packets up to `carriesBytes`; returns the sizes that were probed. */
function probe(size: PacketSize, carriesBytes: number, fromMs: number, untilMs: number): number[] {
  const probed: number[] = [];
  for (let now = fromMs; now <= untilMs; now += 10) {
    const due = size.takeDueProbe(now);
    if (due === undefined) continue;
    probed.push(due.sizeBytes);
    if (due.sizeBytes <= carriesBytes) size.handleAnswer(due.id, due.sizeBytes, now);
  }
  return probed;
}

describe('PacketSize', () => {
  it('goes straight to the target where the path carries it', () => {
    const size = new PacketSize(16_383);
    expect(size.currentBytes).toBe(1_200);
    expect(probe(size, 65_536, 0, 1_000)).toEqual([]);
    size.start(0);
    expect(probe(size, 65_536, 0, 10_000)).toEqual([16_383]);
    expect(size.currentBytes).toBe(16_383);
  });

  it('tries each size three times, and smaller ones after it', () => {
    const size = new PacketSize(1_472);
    size.start(0);
    expect(probe(size, 1_400, 0, 5_000)).toEqual([1_472, 1_472, 1_472, 1_452, 1_452, 1_452, 1_392]);
    expect(size.currentBytes).toBe(1_392);
  });

  it('asks again for what is above, ever more rarely', () => {
    const size = new PacketSize(1_472);
    size.start(0);
    expect(probe(size, 1_200, 0, 7_000)).toHaveLength(12);
    expect(size.currentBytes).toBe(1_200);
    expect(probe(size, 1_200, 7_010, 1_000_000).length).toBeLessThan(12 * 9);
    // A peer that was only too busy to answer costs no more than the wait.
    expect(probe(size, 1_472, 1_000_010, 2_000_000)).toContain(1_472);
    expect(size.currentBytes).toBe(1_472);
    expect(size.deadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('believes only the answer to the probe under way', () => {
    const size = new PacketSize(9_000);
    size.start(0);
    const due = size.takeDueProbe(5);
    if (due === undefined) throw new Error('a probe is due');
    size.handleAnswer(due.id + 1, due.sizeBytes, 1);
    size.handleAnswer(due.id, 16_000, 1);
    expect(size.currentBytes).toBe(1_200);
    size.handleAnswer(due.id, due.sizeBytes, 1);
    expect(size.currentBytes).toBe(9_000);
  });

  it('does not count a probe that could not be sent', () => {
    const size = new PacketSize(1_472);
    size.start(0);
    for (let now = 0; now < 100; now += 10) {
      if (size.takeDueProbe(now) !== undefined) size.handleProbeUnsent(now);
    }
    expect(probe(size, 1_472, 100, 1_000)).toEqual([1_472]);
  });

  it('asks after its size upon three timeouts, and falls back when that goes unanswered', () => {
    const size = new PacketSize(9_000);
    size.start(0);
    probe(size, 9_000, 0, 10);
    for (const now of [1_000, 1_100]) size.handleTimeout(now);
    // Another trouble than the two before it.
    for (const now of [3_101, 3_200]) size.handleTimeout(now);
    expect(probe(size, 1_200, 3_200, 3_290)).toEqual([]);
    size.handleTimeout(3_300);
    expect(probe(size, 1_200, 3_300, 4_040)).toEqual([9_000, 9_000, 9_000]);
    expect(size.currentBytes).toBe(9_000);
    expect(probe(size, 1_200, 4_050, 4_050)).toEqual([]);
    expect(size.currentBytes).toBe(1_200);
    // It looks again soon.
    expect(probe(size, 9_000, 4_060, 4_290)).toEqual([]);
    expect(probe(size, 9_000, 4_300, 4_300)).toEqual([9_000]);
    expect(size.currentBytes).toBe(9_000);
    // Again: the wait doubles, so that a path on which only probes get through is not tried all the time.
    for (const now of [5_000, 5_100, 5_200]) size.handleTimeout(now);
    probe(size, 1_200, 5_200, 5_950);
    expect(size.currentBytes).toBe(1_200);
    expect(size.deadlineMs).toBe(5_950 + 500);
  });

  it('keeps its size where the probes are answered: the machine was only busy', () => {
    const size = new PacketSize(9_000);
    size.start(0);
    probe(size, 9_000, 0, 10);
    for (const now of [1_000, 1_100, 1_200]) size.handleTimeout(now);
    expect(probe(size, 9_000, 1_200, 3_000)).toEqual([9_000]);
    expect(size.currentBytes).toBe(9_000);
    expect(size.deadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('asks ever later for a probe that cannot be sent, until one could', () => {
    const size = new PacketSize(1_472);
    size.start(0);
    const waits = [];
    for (let i = 0; i < 10; i++) {
      const now = size.deadlineMs;
      expect(size.takeDueProbe(now)?.sizeBytes).toBe(1_472);
      size.handleProbeUnsent(now);
      waits.push(size.deadlineMs - now);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
    expect(size.takeDueProbe(size.deadlineMs)).toBeDefined();
    size.handleProbeSent();
    const now = size.deadlineMs;
    size.takeDueProbe(now);
    size.handleProbeUnsent(now);
    expect(size.deadlineMs - now).toBe(5);
  });

  it('falls back as well when what it would ask with does not go out', () => {
    const size = new PacketSize(9_000);
    size.start(0);
    probe(size, 9_000, 0, 10);
    for (const now of [1_000, 1_100, 1_200]) size.handleTimeout(now);
    for (let now = 1_200; now <= 1_950; now += 10) {
      if (size.takeDueProbe(now) !== undefined) size.handleProbeUnsent(now);
    }
    expect(size.currentBytes).toBe(1_200);
  });

  it('falls back upon losses without progress, not upon losses alone', () => {
    const size = new PacketSize(9_000);
    size.start(0);
    probe(size, 9_000, 0, 10);
    size.handleCheck(1_000, 50, true);
    size.handleCheck(2_000, 50, false);
    expect(size.currentBytes).toBe(9_000);
    size.handleCheck(3_000, 51, false);
    expect(size.currentBytes).toBe(1_200);
  });
});

describe('findPacketTarget', () => {
  const v4 = (address: string, cidr: string, internal = false) => ({
    address,
    netmask: '',
    mac: '',
    internal,
    cidr,
    family: 'IPv4' as const,
  });
  const v6 = (address: string, cidr: string, internal = false) => ({
    address,
    netmask: '',
    mac: '',
    internal,
    cidr,
    family: 'IPv6' as const,
    scopeid: 0,
  });
  const interfaces = {
    lo: [v4('127.0.0.1', '127.0.0.1/8', true), v6('::1', '::1/128', true)],
    eth0: [v4('192.168.1.5', '192.168.1.5/24'), v6('fd00::5', 'fd00::5/64')],
    jumbo: [v4('10.1.0.5', '10.1.0.5/16')],
  };
  const mtus: Record<string, number> = { lo: 65_536, eth0: 1_500, jumbo: 9_000 };
  const target = (host: string) => findPacketTarget(host, interfaces, (name) => mtus[name]);

  it('takes the interface on whose subnet the peer is', () => {
    expect(target('127.0.0.1')).toBe(16_383);
    expect(target('::1')).toBe(16_383);
    expect(target('192.168.1.77')).toBe(1_472);
    expect(target('fd00::77')).toBe(1_452);
    expect(target('10.1.200.1')).toBe(8_972);
  });

  it('takes the interface that a zone names', () => {
    expect(target('fe80::1%jumbo')).toBe(8_952);
    expect(target('fe80::1%unknown')).toBe(1_452);
  });

  it('expects no more than Ethernet beyond a router', () => {
    expect(target('203.0.113.9')).toBe(1_472);
  });

  it('never asks for less than QUIC needs', () => {
    expect(findPacketTarget('192.168.1.77', interfaces, () => 576)).toBe(1_200);
  });
});
