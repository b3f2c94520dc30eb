import { describe, expect, it } from 'vitest';
import { PacketTargets } from './path/packet-targets.js';

const lan = (address: string) => ({
  address,
  netmask: '',
  mac: '',
  internal: false,
  cidr: `${address}/24`,
  family: 'IPv4' as const,
});

describe('PacketTargets', () => {
  it('asks the system again only after a second', () => {
    let asked = 0;
    let mtu = 1_500;
    const targets = new PacketTargets(
      undefined,
      () => ({ eth0: [lan('192.168.1.5')] }),
      () => {
        asked += 1;
        return mtu;
      },
    );
    expect(targets.find('192.168.1.7', 0)).toBe(1_472);
    mtu = 9_000;
    expect(targets.find('192.168.1.8', 999)).toBe(1_472);
    expect(asked).toBe(1);
    expect(targets.find('192.168.1.8', 1_000)).toBe(8_972);
    expect(asked).toBe(2);
  });

  it('never exceeds what was asked for', () => {
    const targets = new PacketTargets(
      1_350,
      () => ({ eth0: [lan('192.168.1.5')] }),
      () => 9_000,
    );
    expect(targets.find('192.168.1.7', 0)).toBe(1_350);
  });

  it('does not ask about an interface that is not there', () => {
    const targets = new PacketTargets(
      undefined,
      () => ({}),
      () => 9_000,
    );
    expect(targets.find('fe80::1%jumbo', 0)).toBe(1_452);
  });
});
