import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceKey } from '../core/model/identifiers.js';
import { PairedDevices } from './paired-devices.js';

const LAPTOP = 'ABCDEFG-HIJKLMN-OPQRSTU' as DeviceKey;
const PHONE = 'ABCDEFG-ZZZZZZZ-OPQRSTU' as DeviceKey;
const DESK = 'ZYXWVUT-HIJKLMN-OPQRSTU' as DeviceKey;
const at = (host: string) => ({ host, port: 22100 });

describe('paired devices', () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'landropic-trust-'));
    file = join(directory, 'devices.json');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const canonical = (text: string) =>
    [LAPTOP, PHONE, DESK].find((id) => id.replaceAll('-', '') === text.replaceAll('-', '').toUpperCase());
  const open = () => new PairedDevices(file, { parseDeviceId: canonical });
  const add = (devices: PairedDevices, id: DeviceKey, name: string, addresses = [at('192.0.2.1')]) =>
    devices.add({ id, name, addresses, pairedAtMs: 1000 });

  it('are trusted from when they are stored until they are removed, and told of', () => {
    const devices = open();
    const told: string[] = [];
    devices.onChange((device, change) =>
      told.push(`${change} ${device.name} ${devices.isPaired(device.id)}`),
    );
    expect(devices.isPaired(LAPTOP)).toBe(false);
    add(devices, LAPTOP, 'laptop');
    expect(open().isPaired(LAPTOP)).toBe(true);
    expect(open().list()).toEqual(devices.list());
    devices.rename(LAPTOP, 'old laptop');
    expect(open().get(LAPTOP)?.name).toBe('old laptop');
    devices.remove(LAPTOP);
    expect(open().isPaired(LAPTOP)).toBe(false);
    expect(told).toEqual(['added laptop true', 'renamed old laptop true', 'removed old laptop false']);
  });

  it('keep their name when they are paired again, and take the new addresses', () => {
    const devices = open();
    add(devices, LAPTOP, 'laptop');
    devices.rename(LAPTOP, 'mine');
    add(devices, LAPTOP, 'laptop', [at('192.0.2.9')]);
    devices.noteSeen(LAPTOP, { atMs: 1, name: 'laptop' });
    expect(open().list()).toMatchObject([{ name: 'mine', addresses: [at('192.0.2.9')] }]);
  });

  it('are called what they call themselves, as long as nobody renamed them', () => {
    const devices = open();
    add(devices, LAPTOP, 'laptop');
    devices.noteSeen(LAPTOP, { atMs: 1, name: 'new laptop' });
    expect(open().get(LAPTOP)?.name).toBe('new laptop');
    devices.noteSeen(LAPTOP, { atMs: 1, name: '\n' });
    expect(open().get(LAPTOP)?.name).toBe('new laptop');
  });

  it('are found by name, by ID however it is written, and by what begins one ID only', () => {
    const devices = open();
    add(devices, LAPTOP, 'laptop');
    add(devices, PHONE, 'phone');
    add(devices, DESK, 'phone');
    const found = (text: string) => devices.find(text);
    expect(found('laptop')).toMatchObject({ found: 'one', device: { id: LAPTOP } });
    expect(found('abcdefghijklmnopqrstu')).toMatchObject({ found: 'one', device: { id: LAPTOP } });
    expect(found('zyxw')).toMatchObject({ found: 'one', device: { id: DESK } });
    expect(found('ABCDEFG-H')).toMatchObject({ found: 'one', device: { id: LAPTOP } });
    expect(found('ABCDEFG')).toMatchObject({ found: 'several' });
    expect(found('phone')).toMatchObject({ found: 'several', devices: [{ id: PHONE }, { id: DESK }] });
    for (const nobody of ['', ' ', '-', 'tablet', 'EFG']) expect(found(nobody)).toEqual({ found: 'none' });
  });

  it('remember the address that worked last as the first, and eight at most', () => {
    const devices = open();
    add(
      devices,
      LAPTOP,
      'laptop',
      Array.from({ length: 10 }, (_, i) => at(`192.0.2.${i}`)),
    );
    devices.noteSeen(LAPTOP, { atMs: 5000, address: at('192.0.2.4') });
    devices.noteSeen(LAPTOP, { atMs: 6000, address: at('198.51.100.1') });
    devices.noteSeen(PHONE, { atMs: 6000 });
    const again = open().get(LAPTOP);
    expect(again?.addresses.map(({ host }) => host).slice(0, 3)).toEqual([
      '198.51.100.1',
      '192.0.2.4',
      '192.0.2.0',
    ]);
    expect(again?.addresses).toHaveLength(8);
    expect(again?.lastSeenMs).toBe(6000);
    expect(devices.list()).toHaveLength(1);
  });

  it('never take a name that would disturb a screen', () => {
    const devices = open();
    expect(add(devices, LAPTOP, 'evil\u001b[2J\n').name).toBe('ABCDEFG');
    expect(() => devices.rename(LAPTOP, '\n')).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  it('are never guessed from a damaged file', () => {
    writeFileSync(file, '{"version":1,"devices":[{"id":"X","name":"x"}]}');
    expect(open).toThrow(expect.objectContaining({ code: 'config-damaged' }));
    writeFileSync(file, '');
    expect(open).toThrow(expect.objectContaining({ code: 'config-damaged' }));
    expect(readFileSync(file, 'utf8')).toBe('');
  });

  it('do not change when they cannot be stored', () => {
    const devices = open();
    add(devices, LAPTOP, 'laptop');
    rmSync(directory, { recursive: true, force: true });
    expect(() => devices.remove(LAPTOP)).toThrow(expect.objectContaining({ code: 'home-not-writable' }));
    expect(devices.isPaired(LAPTOP)).toBe(true);
  });
});
