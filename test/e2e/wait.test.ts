import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { pairDevices, shareFolder, untilConnected, waitForPeers } from '../support/pair-and-share.js';
import { randomBytesOf } from '../support/random-bytes.js';
import type { TestDevice } from '../support/test-device.js';
import { compareTrees, readTree } from '../support/tree.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices({ endWith: 'file' });
let a: TestDevice;
let b: TestDevice;
let left: string;
let right: string;

beforeAll(async () => {
  [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  // Each round deletes what the one before made: more than a person would.
  for (const device of [a, b]) await device.ok(['config', 'set', 'guard.massDelete', 'off']);
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
});

test('wait returns only when the other device holds everything written before, each time', async () => {
  for (let round = 0; round < 10; round++) {
    mkdirSync(join(left, `round-${round}`));
    for (let i = 0; i < 20; i++) writeFileSync(join(left, `round-${round}`, `file-${i}`), `${round} ${i}`);
    writeFileSync(join(left, `round-${round}`, 'large'), randomBytesOf(3_000_000, round));
    if (round > 0) rmSync(join(left, `round-${round - 1}`), { recursive: true });
    const waited = await a.json('wait', ['wait', '--folder', 'f', '--timeout', '30s']);
    // No second look: what wait promised must be there now.
    expect(compareTrees(readTree(left), readTree(right))).toEqual([]);
    expect(waited).toMatchObject({ folders: ['f'] });
  }
});

test('wait says for a person what it waited for', async () => {
  expect(await a.ok(['wait'])).toMatch(/^1 device holds everything in 1 folder \(.+\)\.\n$/);
});

test('with the other device off, wait exits 6; with --connected it has nobody to wait for', async () => {
  await b.stop();
  writeFileSync(join(left, 'unsent'), 'unsent');
  const startedAt = performance.now();
  const result = await a.cli(['wait', '--folder', 'f', '--timeout', '700ms']);
  expect(result).toMatchObject({ exitCode: 6, stdout: '' });
  expect(result.stderr).toMatch(/b\b/);
  expect(performance.now() - startedAt).toBeGreaterThan(700);
  await b.start();
  await untilConnected(a, b);
  await waitForPeers(a);
  expect(readTree(right).has('unsent')).toBe(true);
});

test('wait for a folder or a device that is not there fails at once, and names it', async () => {
  const folder = await a.cli(['wait', '--folder', 'no-such-folder']);
  expect(folder.exitCode).not.toBe(0);
  expect(folder.exitCode).not.toBe(6);
  expect(folder.stderr).toContain('no-such-folder');
  const device = await a.cli(['wait', '--device', 'no-such-device']);
  expect(device.exitCode).toBe(4);
  expect(device.stderr).toContain('no-such-device');
});

test('wait with a timeout that is not one is wrong usage', async () => {
  const result = await a.cli(['wait', '--timeout', '5 minutes']);
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toContain('500ms');
});
