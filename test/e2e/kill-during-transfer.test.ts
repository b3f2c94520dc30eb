import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder } from '../support/pair-and-share.js';
import { randomBytesOf } from '../support/random-bytes.js';
import type { TestDevice } from '../support/test-device.js';
import { readTree, untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();
const SIZE_BYTES = 500_000_000;
const PARTS = 10;

/** Waits until a good part of the file has come over, and says how much. */
async function untilUnderWay(receiver: TestDevice, sender: TestDevice): Promise<number> {
  return await until(
    async () => {
      const { bytesIn } = await receiver.peer(sender);
      return bytesIn > SIZE_BYTES / 10 ? bytesIn : undefined;
    },
    { what: 'the transfer is under way', timeoutMs: 60_000, intervalMs: 10 },
  );
}

test.each(['sender', 'receiver'] as const)(
  'kill -9 of the %s in the middle of 500 MB: it goes on from the chunks it has, and nothing partial is ever seen',
  { timeout: 240_000 },
  async (victim) => {
    const [sender, receiver] = await Promise.all([newDevice('sender'), newDevice('receiver')]);
    const [left, right] = [sender.makeFolder('left'), receiver.makeFolder('right')];
    await pairDevices(sender, receiver);
    await shareFolder(sender, left, receiver, right);
    // Made beside the folder and moved in whole: a file that is still being written is not what this is about.
    const made = join(sender.directory, 'made.bin');
    for (let i = 0; i < PARTS; i++) {
      writeFileSync(made, randomBytesOf(SIZE_BYTES / PARTS, i), { flag: 'a' });
    }
    renameSync(made, join(left, 'large.bin'));
    const receivedBefore = await untilUnderWay(receiver, sender);
    expect(existsSync(join(right, 'large.bin'))).toBe(false);

    const killed = victim === 'sender' ? sender : receiver;
    await killed.kill9();
    expect(receivedBefore).toBeLessThan(SIZE_BYTES);
    expect([...readTree(right).keys()]).toEqual([]);
    const receivedByOther = victim === 'sender' ? (await receiver.peer(sender)).bytesIn : 0;
    await killed.start();
    expect([...readTree(right).keys()].filter((path) => path !== 'large.bin')).toEqual([]);

    const tree = await untilSame(left, right, 120_000);
    expect([...tree.keys()]).toEqual(['large.bin']);
    // What was received before the kill, less what had not reached the disk, is not received again.
    const receivedAfter = (await receiver.peer(sender)).bytesIn - receivedByOther;
    const saved = SIZE_BYTES - receivedAfter;
    expect(saved).toBeGreaterThan(receivedBefore / 2);
  },
);

test('kill -9 between many small files loses none and leaves none half-written', {
  timeout: 120_000,
}, async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  mkdirSync(join(left, 'sub'));
  for (let i = 0; i < 2_000; i++) writeFileSync(join(left, 'sub', `file-${i}`), `content of file ${i}\n`);
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await until(() => existsSync(join(right, 'sub')) && readTree(right).size > 50, {
    what: 'the first files are there',
    intervalMs: 5,
  });
  await b.kill9();
  const whole = readTree(left);
  for (const [path, what] of readTree(right)) expect([path, what]).toEqual([path, whole.get(path)]);
  await b.start();
  expect((await untilSame(left, right, 60_000)).size).toBe(2_001);
});
