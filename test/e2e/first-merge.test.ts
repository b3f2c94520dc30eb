import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices } from '../support/pair-and-share.js';
import { readTree, untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('two folders that both hold files are compared before anything moves', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  writeFileSync(join(left, 'only-left'), 'l');
  for (const name of ['only-right', 'only-right-too']) writeFileSync(join(right, name), 'r');
  for (const root of [left, right]) writeFileSync(join(root, 'equal'), 'the same bytes');
  writeFileSync(join(left, 'different'), 'left');
  writeFileSync(join(right, 'different'), 'also');
  const before = readTree(right);
  await pairDevices(a, b);
  await a.ok(['folder', 'add', left, '--id', 'f', '--share', b.id]);
  const isOffered = async () => (await b.json('folders.offers', ['folder', 'offers'])).offers.length === 1;
  await until(isOffered, { what: 'b is offered f' });

  const asked = await b.cli(['folder', 'accept', 'f', right]);
  expect(asked).toMatchObject({ exitCode: 2, stdout: '' });
  for (const line of [
    '1 file equal',
    '2 files only here',
    '1 file only on a',
    '1 file different',
    '  different',
  ])
    expect(asked.stderr).toContain(line);
  expect(readTree(right)).toEqual(before);
  expect(existsSync(join(right, '.landropic'))).toBe(false);
  expect((await b.json('folders.list', ['folder', 'list'])).folders).toEqual([]);

  // It is an offer still.
  await until(isOffered, { what: 'b is offered f still' });
  await b.ok(['folder', 'accept', 'f', right, '--yes']);
  const tree = await untilSame(left, right);
  expect([...tree.keys()].filter((path) => !path.includes('sync-conflict'))).toEqual([
    'different',
    'equal',
    'only-left',
    'only-right',
    'only-right-too',
  ]);
});
