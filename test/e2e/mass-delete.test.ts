import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder, waitForPeers } from '../support/pair-and-share.js';
import type { TestDevice } from '../support/test-device.js';
import { untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();
const FILES = 20;

/** Two devices with twenty files, where more than five deletions and a quarter are too many. */
async function twoWithFiles() {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  for (const device of [a, b]) await device.ok(['config', 'set', 'guard.massDelete', '25%,5']);
  for (let i = 0; i < FILES; i++) writeFileSync(join(left, `f${String(i).padStart(2, '0')}`), `${i}`);
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right);
  await waitForPeers(a);
  return { a, b, left, right };
}

async function loseMany(device: TestDevice, folder: string): Promise<void> {
  for (let i = 0; i < 15; i++) rmSync(join(folder, `f${String(i).padStart(2, '0')}`));
  await untilHeld(device);
}

function untilHeld(device: TestDevice): Promise<unknown> {
  return until(async () => (await device.folder('f')).state === 'held', {
    what: `${device.name} holds deletions`,
  });
}

function visible(folder: string): number {
  return readdirSync(folder).filter((name) => !name.startsWith('.')).length;
}

test('many deletions are announced only when approved, and done elsewhere only when approved there, also over restarts', async () => {
  const { a, b, left, right } = await twoWithFiles();
  await loseMany(a, left);
  const held = await a.folder('f');
  expect(held.held?.devices).toEqual([a.id]);
  expect(held.held?.paths.length).toBe(held.held?.files);
  expect(held.problems).toMatchObject([{ code: 'mass-delete', text: expect.stringMatching(/this device/) }]);
  const refused = await a.cli(['wait', '--folder', 'f', '--timeout', '20s']);
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/folder approve/) });
  await a.restart();
  await untilHeld(a);
  await until(async () => (await a.folder('f')).held?.files === held.held?.files, {
    what: 'a knows again what it holds',
  });
  // What is new goes on meanwhile.
  writeFileSync(join(left, 'new'), 'new');
  await until(() => existsSync(join(right, 'new')), { what: 'a new file comes to b' });
  expect(visible(right)).toBeGreaterThan(FILES - 6);

  await a.ok(['folder', 'approve', 'f']);
  await untilHeld(b);
  expect((await a.folder('f')).state).not.toBe('held');
  const there = await b.folder('f');
  expect(there.held?.devices).toEqual([a.id]);
  expect(there.problems[0]?.text).toMatch(/deleted by a /);
  const sender = await a.cli(['wait', '--folder', 'f', '--timeout', '20s']);
  expect(sender).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/approves/) });
  await b.restart();
  await untilHeld(b);
  expect((await b.folder('f')).held?.files).toBe(there.held?.files);
  await b.ok(['folder', 'approve', 'f']);
  const tree = await untilSame(left, right);
  expect(tree.size).toBe(6);
  await waitForPeers(a);
  const nothing = await b.cli(['folder', 'approve', 'f']);
  expect(nothing).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/Nothing/) });
});

test('refused where they were made, the files come back from the other device', async () => {
  const { a, left, right } = await twoWithFiles();
  await loseMany(a, left);
  const { files } = await a.json('folders.refuse', ['folder', 'refuse', 'f']);
  expect(files).toBeGreaterThan(5);
  await until(() => visible(left) >= FILES - 5, { what: 'the files are back' });
  await untilSame(left, right);
  await waitForPeers(a);
  expect(await a.folder('f')).toMatchObject({ state: 'idle', problems: [], conflicts: 0 });
});

test('refused where they came to, the files come back on the device that deleted them', async () => {
  const { a, b, left, right } = await twoWithFiles();
  await loseMany(a, left);
  await a.ok(['folder', 'approve', 'f']);
  await untilHeld(b);
  await b.ok(['folder', 'refuse', 'f']);
  await until(() => visible(left) >= FILES - 5, { what: 'the files are back' });
  await untilSame(left, right);
  await waitForPeers(b);
  expect(await b.folder('f')).toMatchObject({ state: 'idle', problems: [], conflicts: 0 });
});

test('files that are put back release the folder by themselves, and a moved directory is no deletion', async () => {
  const { a, b, left, right } = await twoWithFiles();
  await loseMany(a, left);
  for (let i = 0; i < 15; i++) writeFileSync(join(left, `f${String(i).padStart(2, '0')}`), `${i}`);
  await until(async () => (await a.folder('f')).state === 'idle', { what: 'nothing is held any more' });
  await waitForPeers(a);
  mkdirSync(join(left, 'moved'));
  for (const name of readdirSync(left).filter((each) => each.startsWith('f')))
    renameSync(join(left, name), join(left, 'moved', name));
  await untilSame(left, right);
  await waitForPeers(a);
  for (const device of [a, b]) expect(await device.folder('f')).toMatchObject({ problems: [] });
});
