import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { AreaPath, DiskStep, StepResult } from '../../core/ports/folder-disk.js';
import { contentOf, hashOf, makeTestDirectory, makeTestFolder, type TestFolder } from '../folder-fixture.js';

const rel = (path: string) => path as RelativePath;
const area = (path: string) => path as AreaPath;
const signal = () => new AbortController().signal;

let folder: TestFolder;
let outside: string;

beforeEach(() => {
  folder = makeTestFolder();
  outside = makeTestDirectory();
  writeFileSync(join(outside, 'secret'), 'secret');
});

afterEach(async () => {
  await folder.remove();
  rmSync(outside, { recursive: true });
});

async function run(...steps: DiskStep[]): Promise<StepResult[]> {
  const [results] = await folder.disk.run([steps]);
  return results ?? [];
}

const codes = (results: readonly StepResult[]) =>
  results.map((result) => (result.ok ? 'ok' : result.error.code));
const writeTemp = (name: string, text: string): DiskStep => ({
  op: 'write-temp',
  temp: area(`tmp/${name}`),
  bytes: Buffer.from(text),
  mtimeNs: 1_600_000_000_123_456_000n,
  mode: 0o640,
});

describe('listing', () => {
  it('gives names, stats and targets of everything, whatever the names are', async () => {
    const names = ['with space', 'new\nline', '🦊', `${'ä'.repeat(127)}x`, '\ufffd', '-rf', '"quoted"'];
    for (const name of names) folder.write(name, name);
    mkdirSync(join(folder.root, 'directory'));
    symlinkSync('../elsewhere', join(folder.root, 'link'));
    execFileSync('mkfifo', [join(folder.root, 'fifo')]);
    const listed = await folder.disk.list('');
    if (!listed.ok) throw new Error(listed.error.code);
    const byName = new Map(listed.value.entries.map((entry) => [entry.name, entry]));
    expect([...byName.keys()].sort()).toEqual([...names, 'directory', 'link', 'fifo', '.landropic'].sort());
    expect(byName.get('fifo')?.stat.type).toBe('other');
    expect(byName.get('directory')?.stat.type).toBe('directory');
    expect(byName.get('link')).toMatchObject({ target: '../elsewhere', stat: { type: 'symlink' } });
    const stats = lstatSync(join(folder.root, '🦊'), { bigint: true });
    expect(byName.get('🦊')?.stat).toEqual({
      type: 'file',
      sizeBytes: 4,
      mtimeNs: stats.mtimeNs,
      ctimeNs: stats.ctimeNs,
      inode: stats.ino,
      device: stats.dev,
      mode: 0o644,
      links: 1,
    });
    expect(listed.value.stat.inode).toBe(lstatSync(folder.root, { bigint: true }).ino);
  });

  it('names what is not UTF-8 apart', async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder.root}/bad-`), Buffer.from([0xff, 0x41])]), 'x');
    folder.write('good', 'x');
    const listed = await folder.disk.list('');
    expect(listed).toMatchObject({ ok: true, value: { unreadableNames: ['bad-\\xffA'] } });
    expect(listed.ok && listed.value.entries.map(({ name }) => name).sort()).toEqual(['.landropic', 'good']);
  });

  it('lists a directory of more names than one piece', async () => {
    // In memory where there is such a place: so many names take seconds on some disks.
    const large = makeTestFolder({ threads: 0 }, existsSync('/dev/shm') ? '/dev/shm' : undefined);
    mkdirSync(join(large.root, 'many'));
    for (let i = 0; i < 8200; i++) symlinkSync('x', join(large.root, `many/${i}`));
    const listed = await large.disk.list(rel('many'));
    expect(listed.ok && new Set(listed.value.entries.map(({ name }) => name)).size).toBe(8200);
    await large.remove();
  });

  it('fails for what is no directory', async () => {
    folder.write('file', 'x');
    symlinkSync(outside, join(folder.root, 'link'));
    for (const [path, code] of [
      ['file', 'ENOTDIR'],
      ['link', 'ENOTDIR'],
      ['nothing', 'ENOENT'],
    ] as const) {
      expect(await folder.disk.list(rel(path))).toMatchObject({ ok: false, error: { code } });
    }
  });
});

describe('a path through a link', () => {
  beforeEach(() => symlinkSync(outside, join(folder.root, 'link')));

  it('reads nothing', async () => {
    const expected = { ...(await folder.stat('link')), type: 'file' as const };
    expect(await folder.disk.stat([rel('link/secret')])).toMatchObject([
      { ok: false, error: { code: 'ENOTDIR' } },
    ]);
    expect(await folder.disk.hash(rel('link/secret'), expected, signal())).toMatchObject({
      ok: false,
      error: { code: 'ENOTDIR' },
    });
    expect(await folder.disk.hashSmall([{ path: rel('link/secret'), expected }])).toMatchObject([
      { ok: false },
    ]);
    const chunk = { hash: hashOf('secret'), lengthBytes: 6 };
    expect(await folder.disk.readChunks([{ path: rel('link/secret'), offsetBytes: 0, chunk }])).toEqual([
      undefined,
    ]);
    const content = contentOf('secret');
    await folder.disk.openPartial(content);
    const copies = [{ from: { path: rel('link/secret'), offsetBytes: 0 }, offsetBytes: 0, chunk }];
    expect(await folder.disk.copyChunks(content.hash, copies)).toEqual([false]);
  });

  it('writes nothing', async () => {
    await run(writeTemp('t', 'mine'));
    const path = rel('link/secret');
    const steps: DiskStep[] = [
      { op: 'link-temp', temp: area('tmp/t'), to: rel('link/new') },
      { op: 'rename', from: { entry: path }, to: { area: area('tmp/taken') } },
      { op: 'rename', from: { area: area('tmp/t') }, to: { entry: rel('link/new') } },
      {
        op: 'copy-to-temp',
        from: path,
        hash: hashOf('secret'),
        temp: area('tmp/c'),
        mtimeNs: 0n,
        mode: 0o600,
      },
      { op: 'mkdir', path: rel('link/new') },
      { op: 'rmdir', path },
      { op: 'symlink', path: rel('link/new'), target: 'x' },
      { op: 'set-metadata', path, mode: 0o777 },
      { op: 'expect', at: { entry: path }, stat: undefined },
    ];
    for (const step of steps) expect([step.op, ...codes(await run(step))]).toEqual([step.op, 'ENOTDIR']);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
    expect(statSync(join(outside, 'secret')).mode & 0o777).toBe(0o644);
    expect(folder.area()['tmp/t']).toBe('mine');
  });

  it('is not followed as the last component either', async () => {
    symlinkSync(join(outside, 'secret'), join(folder.root, 'file'));
    const expected = { ...(await folder.stat('file')), type: 'file' as const };
    expect(await folder.disk.hash(rel('file'), expected, signal())).toMatchObject({
      ok: false,
      error: { code: 'ELOOP' },
    });
    expect(
      codes(await run({ op: 'set-metadata', path: rel('file'), mode: 0o777, mtimeNs: 10n ** 18n })),
    ).toEqual(['ok']);
    const target = statSync(join(outside, 'secret'), { bigint: true });
    expect(Number(target.mode) & 0o777).toBe(0o644);
    expect(target.mtimeNs).not.toBe(10n ** 18n);
    expect(lstatSync(join(folder.root, 'file'), { bigint: true }).mtimeNs).toBe(10n ** 18n);
  });
});

describe('the own area', () => {
  it('cannot be reached by an entry’s path', async () => {
    for (const path of ['.landropic', '.landropic/tmp/x', '.Landropic/tmp']) {
      expect(await folder.disk.stat([rel(path)])).toMatchObject([{ ok: false, error: { code: 'own-area' } }]);
      expect(codes(await run({ op: 'mkdir', path: rel(path) }))).toEqual(['own-area']);
    }
    expect(await folder.disk.list(rel('.landropic'))).toMatchObject({
      ok: false,
      error: { code: 'own-area' },
    });
  });

  it('is the marker without which nothing is done', async () => {
    folder.write('file', 'x');
    const expected = await folder.stat('file');
    rmSync(join(folder.root, '.landropic'), { recursive: true });
    const missing = { ok: false, error: { code: 'root-missing' } };
    expect(await folder.disk.list('')).toMatchObject(missing);
    expect(await folder.disk.stat([rel('file')])).toMatchObject([missing]);
    expect(await folder.disk.hashSmall([{ path: rel('file'), expected }])).toMatchObject([missing]);
    expect(await folder.disk.run([[writeTemp('t', 'x')], [{ op: 'mkdir', path: rel('new') }]])).toMatchObject(
      [[missing], [missing]],
    );
    expect(await folder.disk.openPartial(contentOf('x'))).toMatchObject(missing);
    expect(folder.exists('.landropic')).toBe(false);
    expect(folder.exists('new')).toBe(false);
    rmSync(folder.root, { recursive: true });
    expect(await folder.disk.list('')).toMatchObject(missing);
  });
});

describe('the disk as a whole', () => {
  it('flushes directories, also when one is gone', async () => {
    mkdirSync(join(folder.root, 'a'));
    expect(
      await folder.disk.flushDirectories(['', rel('a'), rel('gone'), { area: area('tmp') }]),
    ).toMatchObject({ ok: true });
  });

  it('tells its space', async () => {
    const space = await folder.disk.freeBytes();
    expect(space.ok && space.value.freeBytes > 0 && space.value.totalBytes >= space.value.freeBytes).toBe(
      true,
    );
  });
});
