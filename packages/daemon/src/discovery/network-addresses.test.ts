import { describe, expect, it } from 'vitest';
import type { DeviceKey } from '../core/model/identifiers.js';
import { type AnnouncedService, readService } from './announced-service.js';
import { AddressWatch, type Interfaces, OnLink, reachableAddresses } from './network-addresses.js';

const v4 = (address: string, prefix: number, internal = false) => ({
  address,
  cidr: `${address}/${prefix}`,
  family: 'IPv4' as const,
  internal,
  mac: '',
  netmask: '',
});
const v6 = (address: string, prefix: number, internal = false) => ({
  ...v4(address, prefix, internal),
  family: 'IPv6' as const,
  scopeid: 0,
});

const INTERFACES: Interfaces = {
  lo: [v4('127.0.0.1', 8, true), v6('::1', 128, true)],
  eth0: [v6('fe80::1', 64), v6('2001:db8::5', 64), v4('192.0.2.5', 24)],
  wlan0: [v4('198.51.100.7', 25)],
};
const ME = 'ME' as DeviceKey;
const PEER = 'PEER' as DeviceKey;

describe('the addresses of this machine', () => {
  it('are those that others can reach, IPv4 first', () => {
    expect(reachableAddresses(INTERFACES)).toEqual(['192.0.2.5', '198.51.100.7', '2001:db8::5']);
  });

  it.each([
    ['192.0.2.200', true],
    ['192.0.3.1', false],
    ['198.51.100.200', false],
    ['127.9.9.9', true],
    ['2001:db8::ffff', true],
    ['2001:db8:1::1', false],
    ['fe80::2', false],
    ['example.org', false],
    ['', false],
  ])('make %s on-link: %s', (address, expected) => {
    expect(new OnLink(INTERFACES).has(address)).toBe(expected);
  });

  it('are told of when they changed, and only then', () => {
    let now: Interfaces = INTERFACES;
    const timers: (() => void)[] = [];
    const clock = {
      nowMs: () => 0,
      monotonicMs: () => 0,
      after: (_: number, callback: () => void) => {
        timers.push(callback);
        return () => timers.splice(timers.indexOf(callback), 1);
      },
    };
    const tick = () => {
      for (const callback of timers.splice(0)) callback();
    };
    const watch = new AddressWatch({ clock, listInterfaces: () => now });
    const told: (readonly string[])[] = [];
    watch.onAddressesChanged((addresses) => told.push(addresses));
    watch.start();
    tick();
    now = { wlan0: INTERFACES.wlan0 };
    tick();
    tick();
    expect(told).toEqual([['198.51.100.7']]);
    now = { wlan0: [v4('198.51.100.7', 24)] };
    tick();
    expect(told).toHaveLength(2);
    watch.stop();
    expect(timers).toHaveLength(0);
  });
});

describe('an announced service', () => {
  const read = (service: AnnouncedService) =>
    readService(service, {
      parseDeviceId: (text) => [ME, PEER].find((id) => id === text),
      ownDevice: ME,
      onLink: new OnLink(INTERFACES),
    });
  const service = (change: object = {}) => ({
    port: 22100,
    txt: { id: 'PEER', v: '1' },
    addresses: ['192.0.2.9'],
    referer: { address: '192.0.2.9' },
    ...change,
  });
  const hostsOf = (change: object) => read(service(change))?.addresses.map(({ host }) => host);

  it('is a device at its addresses', () => {
    expect(read(service())).toEqual({ deviceId: PEER, addresses: [{ host: '192.0.2.9', port: 22100 }] });
  });

  it('is at the address that it answered from, when it names none', () => {
    expect(hostsOf({ addresses: [], referer: { address: '198.51.100.9' } })).toEqual(['198.51.100.9']);
    expect(hostsOf({ addresses: undefined, referer: { address: '127.0.0.1' } })).toEqual(['127.0.0.1']);
  });

  it('makes nobody knock at other networks, or at themselves', () => {
    const addresses = [
      '203.0.113.1',
      'example.org',
      '127.0.0.1',
      'fe80::3',
      7,
      null,
      '2001:db8::9',
      '192.0.2.9',
    ];
    expect(hostsOf({ addresses })).toEqual(['192.0.2.9', '2001:db8::9']);
    expect(hostsOf({ addresses: ['203.0.113.1'], referer: {} })).toBeUndefined();
  });

  it('has eight addresses at most', () => {
    const addresses = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`);
    expect(hostsOf({ addresses })).toHaveLength(8);
  });

  it.each([
    [{ txt: { id: 'ME', v: '1' } }],
    [{ txt: { id: 'PEER', v: '2' } }],
    [{ txt: { id: 'somebody', v: '1' } }],
    [{ txt: {} }],
    [{ txt: null }],
    [{ txt: undefined }],
    [{ port: 0 }],
    [{ port: 65_536 }],
    [{ port: '22100' }],
  ])('is nobody with %o', (change) => {
    expect(read(service(change))).toBeUndefined();
  });
});
