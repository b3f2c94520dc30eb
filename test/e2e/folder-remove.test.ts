import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder } from '../support/pair-and-share.js';
import { compareTrees, readTree } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('a folder removed on one device keeps its files, is shown on the other, and can be taken again', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  writeFileSync(join(left, 'one'), 'one');
  await a.ok(['wait', '--folder', 'f']);

  await b.ok(['folder', 'remove', 'f']);
  expect(readFileSync(join(right, 'one'), 'utf8')).toBe('one');
  await until(async () => (await a.folder('f')).problems.some(({ code }) => code === 'not-shared-there'), {
    what: 'a shows that b no longer shares the folder',
  });
  expect((await a.folder('f')).peers).toMatchObject([{ inSync: false }]);
  writeFileSync(join(left, 'two'), 'two');
  const refused = await a.cli(['wait', '--folder', 'f', '--timeout', '20s']);
  expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
  expect(refused.stderr).toMatch(/b no longer shares/);

  expect(await b.ok(['folder', 'offers'])).toContain('f');
  await b.ok(['folder', 'accept', 'f', right, '--yes']);
  await until(async () => (await a.folder('f')).problems.length === 0, {
    what: 'a sees that b shares it again',
  });
  await a.ok(['wait', '--folder', 'f']);
  expect(compareTrees(readTree(left), readTree(right))).toEqual([]);
  expect(await a.folder('f')).toMatchObject({ problems: [], conflicts: 0 });
});

test('wait for a folder that is shared with nobody ends at once; for a device it is not shared with it fails', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  await pairDevices(a, b);
  await a.ok(['folder', 'add', a.makeFolder('alone'), '--id', 'alone']);
  await a.ok(['wait', '--folder', 'alone', '--timeout', '5s']);
  const result = await a.cli(['wait', '--folder', 'alone', '--device', 'b', '--timeout', '5s']);
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(/not shared with b/);
});
