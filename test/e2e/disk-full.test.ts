import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mountSmall } from '../support/mounts.js';
import { pairDevices, shareFolder } from '../support/pair-and-share.js';
import { randomBytesOf } from '../support/random-bytes.js';
import { readTree, untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('a disk that is full while receiving is said so, harms nothing, and goes on when there is room', async ({
  skip,
}) => {
  const right = mountSmall(8_000_000);
  skip(right === undefined, 'only root can mount a small file system');
  if (right === undefined) return;
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const left = a.makeFolder('left');
  writeFileSync(join(right, 'own.txt'), 'was here before');
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right);
  writeFileSync(join(left, 'too-large'), randomBytesOf(20_000_000, 1));
  const problem = await until(
    async () => {
      const { problems, state } = await b.folder('f');
      return problems[0] ?? (state === 'error' ? { text: state } : undefined);
    },
    { what: 'b says that its disk is full', timeoutMs: 30_000 },
  );
  expect(JSON.stringify(problem)).toMatch(/space|full|error/i);
  expect(existsSync(join(right, 'too-large'))).toBe(false);
  expect([...readTree(right).keys()]).toEqual(['own.txt']);
  expect((await a.cli(['wait', '--folder', 'f', '--timeout', '500ms'])).exitCode).not.toBe(0);

  // There is room again: what was waiting is not needed any more, and what is new arrives.
  rmSync(join(left, 'too-large'));
  writeFileSync(join(left, 'small'), 'fits');
  const tree = await untilSame(left, right, 60_000);
  expect([...tree.keys()]).toEqual(['own.txt', 'small']);
});

test('below one hundredth of the disk nothing is fetched, what needs no room goes on, and it goes on by itself', async ({
  skip,
}) => {
  const right = mountSmall(8_000_000);
  skip(right === undefined, 'only root can mount a small file system');
  if (right === undefined) return;
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const left = a.makeFolder('left');
  writeFileSync(join(left, 'first'), 'first');
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right);
  const filler = join(right, '.landropic', 'filler');
  const { bavail, bsize } = statfsSync(right);
  writeFileSync(filler, randomBytesOf(bavail * bsize - 40_960, 2));
  await b.restart();
  await until(async () => (await b.folder('f')).problems.some(({ code }) => code === 'disk-full'), {
    what: 'b says that there is too little room',
  });
  writeFileSync(join(left, 'would-fit'), 'small enough for what is left');
  rmSync(join(left, 'first'));
  await until(() => !existsSync(join(right, 'first')), { what: 'the deletion is done' });
  expect(existsSync(join(right, 'would-fit'))).toBe(false);
  rmSync(filler);
  const tree = await untilSame(left, right, 30_000);
  expect([...tree.keys()]).toEqual(['would-fit']);
  await until(async () => (await b.folder('f')).problems.length === 0, { what: 'b has no problem any more' });
});
