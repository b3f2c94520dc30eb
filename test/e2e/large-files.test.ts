import { closeSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder } from '../support/pair-and-share.js';
import { randomBytesOf } from '../support/random-bytes.js';
import { untilSame } from '../support/tree.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();
const GIB = 1024 ** 3;

test('a file of 2 GiB arrives whole', { timeout: 300_000 }, async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  // Mostly a hole, so that the test is about the size and not about the disk; some bytes at both ends and around 2^31.
  const file = openSync(join(left, 'large.img'), 'w');
  ftruncateSync(file, 2 * GIB);
  for (const [index, position] of [0, GIB, 2 * GIB - 4096].entries()) {
    writeSync(file, randomBytesOf(4096, index), 0, 4096, position);
  }
  closeSync(file);
  await a.ok(['wait', '--folder', 'f', '--timeout', '4m'], { timeoutMs: 250_000 });
  expect(statSync(join(right, 'large.img')).size).toBe(2 * GIB);
  await untilSame(left, right);
});
