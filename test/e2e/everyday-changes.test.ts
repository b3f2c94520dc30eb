import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { pairDevices, shareFolder, waitForPeers } from '../support/pair-and-share.js';
import { randomBytesOf } from '../support/random-bytes.js';
import type { TestDevice } from '../support/test-device.js';
import { untilSame } from '../support/tree.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices({ endWith: 'file' });
let laptop: TestDevice;
let desktop: TestDevice;
let left: string;
let right: string;

beforeAll(async () => {
  [laptop, desktop] = await Promise.all([newDevice('laptop'), newDevice('desktop')]);
  // Three hundred files go in one test: they would be held.
  for (const device of [laptop, desktop]) await device.ok(['config', 'set', 'guard.massDelete', 'off']);
  await pairDevices(laptop, desktop);
  left = laptop.makeFolder('left');
  right = desktop.makeFolder('right');
  await shareFolder(laptop, left, desktop, right);
});

/** Both directions: what one side does, the other sees. */
const directions = [
  { from: 'laptop', here: () => left },
  { from: 'desktop', here: () => right },
];

describe.each(directions)('what changes on the $from arrives', ({ from, here }) => {
  const path = (...names: string[]): string => join(here(), from, ...names);

  beforeAll(async () => {
    mkdirSync(join(here(), from));
    await untilSame(left, right);
  });

  test('a created, edited and deleted file', async () => {
    writeFileSync(path('note.txt'), 'one');
    expect((await untilSame(left, right)).has(`${from}/note.txt`)).toBe(true);
    writeFileSync(path('note.txt'), 'two, and longer');
    await untilSame(left, right);
    unlinkSync(path('note.txt'));
    expect((await untilSame(left, right)).has(`${from}/note.txt`)).toBe(false);
  });

  test('an edit that keeps size and name', async () => {
    writeFileSync(path('same-size.txt'), 'aaaa');
    await untilSame(left, right);
    writeFileSync(path('same-size.txt'), 'bbbb');
    await untilSame(left, right);
  });

  test('a renamed file and a renamed directory', async () => {
    mkdirSync(path('old', 'deep'), { recursive: true });
    writeFileSync(path('old', 'deep', 'a.bin'), randomBytesOf(300_000, 1));
    writeFileSync(path('old', 'b.txt'), 'b');
    await untilSame(left, right);
    renameSync(path('old', 'b.txt'), path('old', 'c.txt'));
    renameSync(path('old'), path('new'));
    const tree = await untilSame(left, right);
    expect(tree.has(`${from}/new/deep/a.bin`)).toBe(true);
    expect(tree.has(`${from}/old`)).toBe(false);
  });

  test('empty directories, made and removed', async () => {
    mkdirSync(path('empty', 'inside', 'empty'), { recursive: true });
    expect((await untilSame(left, right)).get(`${from}/empty/inside/empty`)).toBe('directory');
    rmSync(path('empty'), { recursive: true });
    expect((await untilSame(left, right)).has(`${from}/empty`)).toBe(false);
  });

  test('symlinks: as links, dangling ones too, and one that points elsewhere later', async () => {
    symlinkSync('../somewhere/else', path('dangling'));
    symlinkSync('/etc/hostname', path('absolute'));
    expect((await untilSame(left, right)).get(`${from}/dangling`)).toBe('link to ../somewhere/else');
    unlinkSync(path('dangling'));
    symlinkSync('elsewhere', path('dangling'));
    expect((await untilSame(left, right)).get(`${from}/dangling`)).toBe('link to elsewhere');
  });

  test('the executable bit, without the content being sent again', async () => {
    writeFileSync(path('tool.sh'), '#!/bin/sh\n', { mode: 0o644 });
    await untilSame(left, right);
    chmodSync(path('tool.sh'), 0o755);
    expect((await untilSame(left, right)).get(`${from}/tool.sh`)).toContain('executable');
    chmodSync(path('tool.sh'), 0o644);
    expect((await untilSame(left, right)).get(`${from}/tool.sh`)).not.toContain('executable');
  });

  test('a file that becomes a directory, a directory that becomes a file, and a link that becomes either', async () => {
    writeFileSync(path('swap-1'), 'file');
    mkdirSync(path('swap-2'));
    writeFileSync(path('swap-2', 'inside'), 'inside');
    symlinkSync('nowhere', path('swap-3'));
    await untilSame(left, right);
    unlinkSync(path('swap-1'));
    mkdirSync(path('swap-1'));
    writeFileSync(path('swap-1', 'inside'), 'now inside');
    rmSync(path('swap-2'), { recursive: true });
    writeFileSync(path('swap-2'), 'now a file');
    unlinkSync(path('swap-3'));
    writeFileSync(path('swap-3'), 'now a file');
    const tree = await untilSame(left, right);
    expect(tree.get(`${from}/swap-1`)).toBe('directory');
    expect(tree.get(`${from}/swap-2`)).toMatch(/^file/);
    expect(tree.get(`${from}/swap-3`)).toMatch(/^file/);
  });

  test('a zero-byte file', async () => {
    writeFileSync(path('nothing'), '');
    expect((await untilSame(left, right)).get(`${from}/nothing`)).toMatch(/^file 0 /);
  });

  test.each([
    ['spaces', '  leading, inside and trailing  '],
    ['a newline', 'first\nsecond'],
    ['tab, quotes and backslash', '\t"quoted" \'single\' back\\slash'],
    ['emoji', 'party 🎉 family 👩‍👩‍👧‍👦'],
    ['accents, composed', 'Ünïcödé café'],
    ['a leading dash and dots', '-rf ..hidden...'],
    ['glob characters', '*?[a-z]{x,y}!'],
    ['control characters', 'bell\x07escape\x1b[31mred'],
    ['255 bytes', 'x'.repeat(255)],
    ['255 bytes of four-byte characters', `${'🎉'.repeat(63)}abc`],
  ])('a name with %s', async (_what, name) => {
    mkdirSync(path('names'), { recursive: true });
    writeFileSync(path('names', name), name);
    mkdirSync(path('names', `d${name}`.slice(0, -1)), { recursive: true });
    const tree = await untilSame(left, right);
    expect(readdirSync(join(right, from, 'names'))).toContain(name);
    expect(readFileSync(join(left, from, 'names', name), 'utf8')).toBe(name);
    expect(tree.size).toBeGreaterThan(0);
  });

  test('a program that saves by renaming a temporary file over the old one', async () => {
    writeFileSync(path('saved.txt'), 'first');
    await untilSame(left, right);
    writeFileSync(path('saved.txt.tmp'), 'second');
    renameSync(path('saved.txt.tmp'), path('saved.txt'));
    const tree = await untilSame(left, right);
    expect(tree.has(`${from}/saved.txt.tmp`)).toBe(false);
  });

  test('many files at once', async () => {
    mkdirSync(path('many'));
    for (let i = 0; i < 300; i++) writeFileSync(path('many', `file-${i}`), `content ${i}`);
    await untilSame(left, right, 30_000);
    rmSync(path('many'), { recursive: true });
    expect((await untilSame(left, right, 30_000)).has(`${from}/many`)).toBe(false);
  });

  test('the time of the last change', async () => {
    writeFileSync(path('dated'), 'x');
    execFileSync('touch', ['-d', '2020-02-03T04:05:06Z', path('dated')]);
    await untilSame(left, right);
    await waitForPeers(laptop);
    await waitForPeers(desktop);
    const times = [left, right].map((root) => Math.floor(statSync(join(root, from, 'dated')).mtimeMs / 1000));
    expect(times).toEqual([1580702706, 1580702706]);
  });
});

test('the same content under many names is sent once', async () => {
  const bytes = randomBytesOf(8_000_000, 2);
  const before = (await desktop.peer(laptop)).bytesIn;
  mkdirSync(join(left, 'copies'));
  for (let i = 0; i < 5; i++) writeFileSync(join(left, 'copies', `copy-${i}`), bytes);
  await untilSame(left, right, 40_000);
  const received = (await desktop.peer(laptop)).bytesIn - before;
  expect(received).toBeGreaterThan(8_000_000);
  expect(received).toBeLessThan(10_000_000);
});

test('a renamed file is not sent again', async () => {
  writeFileSync(join(left, 'large'), randomBytesOf(8_000_000, 3));
  await untilSame(left, right, 40_000);
  const before = (await desktop.peer(laptop)).bytesIn;
  renameSync(join(left, 'large'), join(left, 'large, renamed'));
  await untilSame(left, right);
  expect((await desktop.peer(laptop)).bytesIn - before).toBeLessThan(1_000_000);
});

test('an edit in the middle of a large file sends what changed', async () => {
  const bytes = Buffer.from(randomBytesOf(16_000_000, 4));
  writeFileSync(join(left, 'edited'), bytes);
  await untilSame(left, right, 40_000);
  const before = (await desktop.peer(laptop)).bytesIn;
  bytes.write('changed here', 8_000_000);
  writeFileSync(join(left, 'edited'), bytes);
  await untilSame(left, right, 40_000);
  expect((await desktop.peer(laptop)).bytesIn - before).toBeLessThan(4_000_000);
});

test('both devices say that they are in sync, and have no conflicts and no problems', async () => {
  await waitForPeers(laptop);
  await waitForPeers(desktop);
  for (const device of [laptop, desktop]) {
    const folder = await device.folder('f');
    expect(folder).toMatchObject({ state: 'idle', needFiles: 0, needBytes: 0, conflicts: 0, problems: [] });
    expect(folder.peers).toMatchObject([{ inSync: true }]);
  }
});
