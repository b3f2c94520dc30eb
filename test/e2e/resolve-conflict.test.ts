import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder, untilConnected, waitForPeers } from '../support/pair-and-share.js';
import { readTree, untilSame } from '../support/tree.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();
const NAMES = ['one.md', 'two.md', 'three.md', 'four.md'];

test('a conflict is shown and resolved, on every device alike, and what went lies in history', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  for (const name of NAMES) writeFileSync(join(left, name), 'title\n\nbefore\n');
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right);
  await waitForPeers(a);
  await waitForPeers(b);
  await Promise.all([a.stop(), b.stop()]);
  for (const name of NAMES) {
    writeFileSync(join(left, name), `title\n\nleft ${name}\n`);
    writeFileSync(join(right, name), `title\n\nright ${name}\n`);
  }
  await Promise.all([a.start(), b.start()]);
  await untilConnected(a, b);
  await waitForPeers(a);
  await waitForPeers(b);
  await untilSame(left, right);

  const shown = await a.json('conflicts.show', ['conflicts', 'show', join(left, 'one.md')]);
  const [copy] = shown.copies;
  expect(new Set([shown.original?.deviceName, copy?.deviceName])).toEqual(new Set(['a', 'b']));
  expect(copy?.diff).toMatch(
    /^@@ -1,3 \+1,3 @@\n title\n \n-(left|right) one\.md\n\+(left|right) one\.md\n$/,
  );

  const resolve = (name: string, keep: string) =>
    a.json('conflicts.resolve', ['conflicts', 'resolve', name, '--folder', 'f', '--keep', keep]);
  const read = (root: string, name: string) => readFileSync(join(root, name), 'utf8');
  const stays = read(left, 'one.md');
  const { conflicts } = await a.json('conflicts.list', ['conflicts']);
  const copyOf = (name: string) => conflicts.find(({ original }) => original === name)?.path ?? '';
  const comes = ['two.md', 'three.md', 'four.md'].map((name) => read(left, copyOf(name)));
  await resolve('one.md', 'this');
  await resolve('two.md', 'other');
  await resolve(copyOf('three.md'), 'this');
  const { keptAs } = await resolve('four.md', 'both');
  await waitForPeers(a);
  await untilSame(left, right);
  expect(read(right, 'one.md')).toBe(stays);
  expect(['two.md', 'three.md', keptAs[0] ?? ''].map((name) => read(right, name))).toEqual(comes);
  expect(keptAs[0]).toMatch(/^four \((a|b)\)\.md$/);
  expect([...readTree(right).keys()]).toEqual([...NAMES, keptAs[0] ?? ''].sort());
  for (const device of [a, b]) {
    expect((await device.json('conflicts.list', ['conflicts'])).conflicts).toEqual([]);
    expect((await device.folder('f')).conflicts).toBe(0);
  }

  // What was not kept comes back.
  await a.ok(['restore', copyOf('one.md'), '--folder', 'f']);
  const again = await a.cli(['conflicts', 'show', join(left, 'two.md')]);
  expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no conflict about two.md') });
});
