import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder, waitForPeers } from '../support/pair-and-share.js';
import { readTree, untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('a folder that is gone, or has lost its marker, stops there and deletes nothing anywhere; back again, it goes on', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  for (const name of ['one', 'two', 'three']) writeFileSync(join(left, name), name);
  await untilSame(left, right);
  await waitForPeers(a);
  const before = [...readTree(right).keys()];

  const away = join(a.directory, 'away');
  for (const lost of ['folder', 'marker']) {
    const [from, to] = lost === 'folder' ? [left, away] : [join(left, '.landropic'), away];
    renameSync(from, to);
    // Emptied as well: what is missing below a lost root says nothing.
    if (lost === 'marker') renameSync(join(left, 'one'), join(a.directory, 'one'));
    await a.cli(['folder', 'rescan', 'f']);
    expect(await a.folder('f')).toMatchObject({ state: 'error', problems: [{ code: 'root-missing' }] });
    expect(await a.cli(['wait', '--folder', 'f', '--timeout', '20s'])).toMatchObject({ exitCode: 1 });
    if (lost === 'folder') {
      await a.restart();
      await until(async () => (await a.folder('f')).state === 'error', { what: 'a still misses it' });
    }
    writeFileSync(join(right, `new-${lost}`), 'new');
    await b.ok(['folder', 'rescan', 'f']);
    expect([...readTree(right).keys()]).toEqual(expect.arrayContaining(before));
    renameSync(to, from);
    if (lost === 'marker') renameSync(join(a.directory, 'one'), join(left, 'one'));
    await until(async () => (await a.cli(['folder', 'rescan', 'f'])).exitCode === 0, {
      what: 'a has it back',
    });
    await untilSame(left, right);
  }
  rmSync(join(left, 'two'));
  const tree = await untilSame(left, right);
  expect([...tree.keys()]).toEqual(['new-folder', 'new-marker', 'one', 'three']);
});
