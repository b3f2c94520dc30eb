import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder, untilConnected, waitForPeers } from '../support/pair-and-share.js';
import { randomBytesOf } from '../support/random-bytes.js';
import { readFootprint, untilSame } from '../support/tree.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('a daemon that is stopped and started again moves nothing that is already there', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  mkdirSync(join(left, 'sub'));
  for (let i = 0; i < 50; i++) writeFileSync(join(left, 'sub', `file-${i}`), randomBytesOf(20_000, i));
  writeFileSync(join(left, 'large'), randomBytesOf(5_000_000, 99));
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right, 40_000);
  await waitForPeers(a);
  await waitForPeers(b);
  const before = [readFootprint(left), readFootprint(right)];

  expect(await b.stop()).toBe(0);
  await b.start();
  await untilConnected(a, b);
  await waitForPeers(a);
  await waitForPeers(b);
  expect(await a.stop()).toBe(0);
  await a.start();
  await untilConnected(a, b);
  await waitForPeers(a);
  await waitForPeers(b);
  await b.ok(['folder', 'rescan', 'f']);

  expect([readFootprint(left), readFootprint(right)]).toEqual(before);
  // Handshake, certificates and folder states only; the content alone would be 6 MB.
  for (const { bytesIn, bytesOut } of [await a.peer(b), await b.peer(a)]) {
    expect(bytesIn).toBeLessThan(200_000);
    expect(bytesOut).toBeLessThan(200_000);
  }
});

test('what changed while the daemon was stopped is found at its start', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  writeFileSync(join(left, 'kept'), 'kept');
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right);
  await a.stop();
  writeFileSync(join(left, 'kept'), 'changed while stopped');
  writeFileSync(join(left, 'new'), 'new');
  writeFileSync(join(right, 'from-the-other'), 'meanwhile');
  await a.start();
  const tree = await untilSame(left, right);
  expect([...tree.keys()]).toEqual(['from-the-other', 'kept', 'new']);
});

test('a lost index is rebuilt from the files, without conflicts and without moving content', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  for (let i = 0; i < 10; i++) writeFileSync(join(left, `file-${i}`), randomBytesOf(50_000, i));
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right);
  await waitForPeers(a);
  await b.stop();
  const damaged = b.damageIndex();
  expect(damaged).toBeGreaterThan(0);
  await b.start();
  await untilConnected(a, b);
  await waitForPeers(a);
  await waitForPeers(b);
  const tree = await untilSame(left, right);
  expect(tree.size).toBe(10);
  expect((await b.peer(a)).bytesIn).toBeLessThan(200_000);
  expect((await b.status()).notices.join('\n')).toMatch(/index/i);
});
