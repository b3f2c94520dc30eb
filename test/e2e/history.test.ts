import { mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder, waitForPeers } from '../support/pair-and-share.js';
import { randomBytesOf } from '../support/random-bytes.js';
import { readTree, untilSame } from '../support/tree.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('what another device replaced or deleted is listed, and comes back everywhere', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  const large = randomBytesOf(3_000_000, 7);
  writeFileSync(join(left, 'plan.md'), 'first');
  mkdirSync(join(left, 'd', 'e'), { recursive: true });
  writeFileSync(join(left, 'd', 'e', 'large'), large);
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right);

  // At once, as editors save: an emptied file on its way would be a version of its own.
  const save = (text: string) => {
    writeFileSync(join(a.directory, 'draft'), text);
    renameSync(join(a.directory, 'draft'), join(left, 'plan.md'));
  };
  save('second');
  await waitForPeers(a);
  save('third');
  rmSync(join(left, 'd'), { recursive: true });
  await waitForPeers(a);
  await untilSame(left, right);

  const { versions } = await b.json('history.list', ['history']);
  expect(versions.map(({ path, reason, deviceName }) => `${path} ${reason} ${deviceName}`).sort()).toEqual([
    'd/e/large deleted a',
    'plan.md replaced a',
    'plan.md replaced a',
  ]);
  expect((await b.json('history.list', ['history', join(right, 'd')])).versions).toHaveLength(1);

  await b.ok(['restore', join(right, 'd', 'e', 'large')]);
  const first = versions.filter(({ path }) => path === 'plan.md').at(-1);
  const restored = await b.json('history.restore', [
    'restore',
    'plan.md',
    '--folder',
    'f',
    '--at',
    first?.displacedAt ?? '',
  ]);
  expect(restored).toMatchObject({ changed: true, keptInHistory: true });
  await waitForPeers(b);
  await untilSame(left, right);
  expect(readFileSync(join(left, 'plan.md'), 'utf8')).toBe('first');
  expect(readFileSync(join(left, 'd', 'e', 'large')).equals(large)).toBe(true);
  expect([...readTree(left).keys()].filter((path) => path.includes('sync-conflict'))).toEqual([]);

  // What stood there is in history itself, and comes back as well.
  await b.ok(['restore', join(right, 'plan.md')]);
  await waitForPeers(b);
  expect(readFileSync(join(left, 'plan.md'), 'utf8')).toBe('third');

  // A version that a deletion left behind, while nothing of the path is there.
  unlinkSync(join(left, 'plan.md'));
  await waitForPeers(a);
  await b.restart();
  await b.ok(['restore', join(right, 'plan.md')]);
  expect(readFileSync(join(right, 'plan.md'), 'utf8')).toBe('third');
  await untilSame(left, right);

  const elsewhere = await b.cli(['restore', join(b.directory, 'nowhere')]);
  expect(elsewhere).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no shared folder') });
  const never = await b.cli(['restore', join(right, 'never')]);
  expect(never).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('Nothing of never') });
});
