import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder, waitForPeers } from '../support/pair-and-share.js';
import { untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('a paused folder exchanges nothing either way, over a restart, says so at once, and goes on', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  writeFileSync(join(left, 'first'), 'first');
  await untilSame(left, right);
  await waitForPeers(a);

  await b.ok(['folder', 'pause', 'f']);
  expect((await b.folder('f')).state).toBe('paused');
  const here = await b.cli(['wait', '--folder', 'f', '--timeout', '30s']);
  expect(here).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/paused/) });
  await until(async () => (await a.folder('f')).problems.some(({ code }) => code === 'paused-there'), {
    what: 'a knows that b has paused',
  });
  const there = await a.cli(['wait', '--folder', 'f', '--timeout', '30s']);
  expect(there).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/b has paused/) });

  await b.restart();
  await until(async () => (await a.folder('f')).problems.some(({ code }) => code === 'paused-there'), {
    what: 'a knows it again',
  });
  writeFileSync(join(left, 'from-a'), 'a');
  writeFileSync(join(right, 'from-b'), 'b');
  await Promise.all([a.ok(['folder', 'rescan', 'f']), b.ok(['folder', 'rescan', 'f'])]);
  // Another folder goes on all the while, and what it carries comes after what this one would.
  const [other, otherThere] = [a.makeFolder('other'), b.makeFolder('other')];
  writeFileSync(join(other, 'x'), 'x');
  await shareFolder(a, other, b, otherThere, 'g');
  await untilSame(other, otherThere);
  expect([existsSync(join(right, 'from-a')), existsSync(join(left, 'from-b'))]).toEqual([false, false]);

  await b.ok(['folder', 'resume', 'f']);
  const tree = await untilSame(left, right);
  expect([...tree.keys()]).toEqual(['first', 'from-a', 'from-b']);
  await waitForPeers(a);
  expect(await a.folder('f')).toMatchObject({ state: 'idle', problems: [] });
});

test('an offer that is refused is not shown again, also after a restart', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  await pairDevices(a, b);
  await a.ok(['folder', 'add', a.makeFolder('left'), '--id', 'f', '--share', 'b']);
  await until(async () => (await b.ok(['folder', 'offers'])).includes('f'), { what: 'b is offered it' });
  expect(await b.json('folders.refuse', ['folder', 'refuse', 'f'])).toMatchObject({ kind: 'offer', id: 'f' });
  const offers = async () => (await b.json('folders.offers', ['folder', 'offers'])).offers;
  expect(await offers()).toEqual([]);
  await b.restart();
  await a.ok(['folder', 'add', a.makeFolder('another'), '--id', 'g', '--share', 'b']);
  await until(async () => (await offers()).length > 0, { what: 'b is offered another' });
  expect(await offers()).toMatchObject([{ id: 'g' }]);
});
