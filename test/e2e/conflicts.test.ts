import { mkdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pairDevices, shareFolder, untilConnected, waitForPeers } from '../support/pair-and-share.js';
import type { TestDevice } from '../support/test-device.js';
import { readTree, untilSame } from '../support/tree.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

interface Pair {
  readonly a: TestDevice;
  readonly b: TestDevice;
  readonly left: string;
  readonly right: string;
}

/** Two devices with one shared folder that holds what `prepare` wrote, both stopped. */
async function apart(prepare: (root: string) => void): Promise<Pair> {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  prepare(left);
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  await untilSame(left, right);
  await waitForPeers(a);
  await waitForPeers(b);
  await Promise.all([a.stop(), b.stop()]);
  return { a, b, left, right };
}

async function together({ a, b, left, right }: Pair) {
  await Promise.all([a.start(), b.start()]);
  await untilConnected(a, b);
  await waitForPeers(a);
  await waitForPeers(b);
  return await untilSame(left, right);
}

const copiesOf = (tree: ReadonlyMap<string, string>): string[] =>
  [...tree.keys()].filter((path) => path.includes('.sync-conflict-'));

describe('changed on both sides while apart', () => {
  test('to equal contents, merges silently', async () => {
    const pair = await apart((root) => writeFileSync(join(root, 'a.txt'), 'before'));
    for (const root of [pair.left, pair.right]) {
      writeFileSync(join(root, 'a.txt'), 'the same on both');
      writeFileSync(join(root, 'new.txt'), 'new, and the same');
    }
    const tree = await together(pair);
    expect([...tree.keys()]).toEqual(['a.txt', 'new.txt']);
    expect((await pair.a.folder('f')).conflicts).toBe(0);
  });

  test('to different contents, keeps both, with one copy that is the same on both devices', async () => {
    const pair = await apart((root) => writeFileSync(join(root, 'a.txt'), 'before'));
    writeFileSync(join(pair.left, 'a.txt'), 'from the left');
    writeFileSync(join(pair.right, 'a.txt'), 'from the right, longer');
    const tree = await together(pair);
    const copies = copiesOf(tree);
    expect(copies).toHaveLength(1);
    expect(tree.size).toBe(2);
    expect(copies[0]).toMatch(/^a\.sync-conflict-\d{8}-\d{6}-[A-Z0-9]+-[0-9a-f]{8}\.txt$/);
    const contents = [...tree.keys()].map((path) => readFileSync(join(pair.left, path), 'utf8'));
    expect(contents.sort()).toEqual(['from the left', 'from the right, longer']);
    const listed = await Promise.all(
      [pair.a, pair.b].map((device) => device.json('conflicts.list', ['conflicts', 'list'])),
    );
    for (const { conflicts } of listed) {
      expect(conflicts).toMatchObject([{ folder: 'f', path: copies[0], original: 'a.txt' }]);
    }
    unlinkSync(join(pair.right, copies[0] ?? ''));
    await untilSame(pair.left, pair.right);
    expect(copiesOf(readTree(pair.left))).toEqual([]);
  });

  test('by creating different files of one name, keeps both', async () => {
    const pair = await apart(() => {});
    writeFileSync(join(pair.left, 'plan.md'), 'left plan');
    writeFileSync(join(pair.right, 'plan.md'), 'right plan, another');
    const tree = await together(pair);
    expect(copiesOf(tree)).toHaveLength(1);
    expect(tree.size).toBe(2);
  });

  test('by an edit here and a deletion there, loses no content that was not seen', async () => {
    const pair = await apart((root) => writeFileSync(join(root, 'a.txt'), 'before'));
    writeFileSync(join(pair.left, 'a.txt'), 'an edit that nobody else has seen');
    unlinkSync(join(pair.right, 'a.txt'));
    const tree = await together(pair);
    const contents = [...tree.keys()].map((path) => readFileSync(join(pair.left, path), 'utf8'));
    expect(contents).toEqual(['an edit that nobody else has seen']);
  });

  test('by deleting on both sides, deletes', async () => {
    const pair = await apart((root) => writeFileSync(join(root, 'a.txt'), 'before'));
    for (const root of [pair.left, pair.right]) unlinkSync(join(root, 'a.txt'));
    expect((await together(pair)).size).toBe(0);
  });

  test('by changing different files, merges without a conflict', async () => {
    const pair = await apart((root) => {
      writeFileSync(join(root, 'a.txt'), 'a');
      writeFileSync(join(root, 'b.txt'), 'b');
    });
    writeFileSync(join(pair.left, 'a.txt'), 'a, changed');
    writeFileSync(join(pair.right, 'b.txt'), 'b, changed');
    mkdirSync(join(pair.right, 'c'));
    const tree = await together(pair);
    expect([...tree.keys()]).toEqual(['a.txt', 'b.txt', 'c']);
    expect(readFileSync(join(pair.left, 'b.txt'), 'utf8')).toBe('b, changed');
    expect(readFileSync(join(pair.right, 'a.txt'), 'utf8')).toBe('a, changed');
  });

  test('by a file here and a directory there, keeps the content of both', async () => {
    const pair = await apart((root) => writeFileSync(join(root, 'x'), 'before'));
    writeFileSync(join(pair.left, 'x'), 'still a file, edited');
    rmSync(join(pair.right, 'x'));
    mkdirSync(join(pair.right, 'x'));
    writeFileSync(join(pair.right, 'x', 'inside'), 'inside');
    const tree = await together(pair);
    const contents = [...tree]
      .filter(([, what]) => what.startsWith('file'))
      .map(([path]) => readFileSync(join(pair.left, path), 'utf8'));
    expect(contents.sort()).toEqual(['inside', 'still a file, edited']);
  });
});

test('two folders that both hold files become one when the folder is taken', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  writeFileSync(join(left, 'only-left'), 'l');
  writeFileSync(join(right, 'only-right'), 'r');
  for (const root of [left, right]) writeFileSync(join(root, 'equal'), 'the same bytes');
  writeFileSync(join(left, 'different'), 'left');
  writeFileSync(join(right, 'different'), 'right, longer');
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  const tree = await untilSame(left, right);
  expect([...tree.keys()].filter((path) => !path.includes('sync-conflict'))).toEqual([
    'different',
    'equal',
    'only-left',
    'only-right',
  ]);
  expect(copiesOf(tree)).toHaveLength(1);
});
