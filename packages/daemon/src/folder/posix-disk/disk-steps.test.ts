import { chmodSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { AreaPath, DiskStep, StepResult } from '../../core/ports/folder-disk.js';
import { hashOf, makeTestDirectory, makeTestFolder, type TestFolder } from '../folder-fixture.js';

const rel = (path: string) => path as RelativePath;
const area = (path: string) => path as AreaPath;

let folder: TestFolder;
let outside: string;

beforeEach(() => {
  folder = makeTestFolder();
  outside = makeTestDirectory();
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

describe('steps', () => {
  it('never put anything over what stands at the target', async () => {
    folder.write('file', 'theirs');
    mkdirSync(join(folder.root, 'directory'));
    await run(writeTemp('t', 'mine'));
    expect(codes(await run(writeTemp('t', 'again')))).toEqual(['EEXIST']);
    for (const to of ['file', 'directory']) {
      expect(codes(await run({ op: 'link-temp', temp: area('tmp/t'), to: rel(to) }))).toEqual(['EEXIST']);
      expect(
        codes(await run({ op: 'rename', from: { area: area('tmp/t') }, to: { entry: rel(to) } })),
      ).toEqual(['EEXIST']);
      expect(codes(await run({ op: 'symlink', path: rel(to), target: 'x' }))).toEqual(['EEXIST']);
    }
    expect(
      codes(await run({ op: 'rename', from: { entry: rel('file') }, to: { area: area('tmp/t') } })),
    ).toEqual(['EEXIST']);
    expect(
      codes(await run({ op: 'rename', from: { entry: rel('file') }, to: { entry: rel('other') } })),
    ).toEqual(['EINVAL']);
    folder.write('directory/child', 'x');
    expect(codes(await run({ op: 'rmdir', path: rel('directory') }))).toEqual(['ENOTEMPTY']);
    expect(folder.tree()).toEqual({ 'directory/': '/', 'directory/child': 'x', file: 'theirs' });
  });

  it('stop at the first failure of their item, and only of theirs', async () => {
    const results = await folder.disk.run([
      [
        { op: 'mkdir', path: rel('a') },
        { op: 'mkdir', path: rel('a') },
        { op: 'mkdir', path: rel('never') },
      ],
      [{ op: 'mkdir', path: rel('a/b') }],
      [],
    ]);
    expect(results.map(codes)).toEqual([['ok', 'EEXIST'], ['ok'], []]);
    expect(folder.tree()).toEqual({ 'a/': '/', 'a/b/': '/' });
  });

  it('write a temp with its times and mode and link it in', async () => {
    const [written, linked] = await run(writeTemp('t', 'text'), {
      op: 'link-temp',
      temp: area('tmp/t'),
      to: rel('f'),
    });
    expect(written).toMatchObject({
      ok: true,
      stat: { sizeBytes: 4, mode: 0o640, mtimeNs: 1_600_000_000_123_456_000n },
    });
    expect(linked).toEqual({ ok: true, stat: await folder.stat('f') });
    expect(folder.area()['tmp/t']).toBeUndefined();
  });

  it('move into the area and out of it, with whole directories below', async () => {
    folder.write('deep/er/file', 'x');
    const results = await run(
      { op: 'make-area', area: area('history/b/deep/er') },
      { op: 'rename', from: { entry: rel('deep/er/file') }, to: { area: area('history/b/deep/er/file') } },
      { op: 'expect', at: { entry: rel('deep/er/file') }, stat: undefined },
      { op: 'rename', from: { entry: rel('deep') }, to: { entry: rel('moved') } },
      { op: 'rename', from: { area: area('history/b/deep/er/file') }, to: { entry: rel('moved/er/file') } },
    );
    expect(codes(results)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect(folder.tree()).toEqual({ 'moved/': '/', 'moved/er/': '/', 'moved/er/file': 'x' });
  });

  it('expect what was seen, and nothing else', async () => {
    folder.write('file', 'abc');
    const stat = await folder.stat('file');
    const at = { entry: rel('file') };
    const expecting = async (step: Omit<DiskStep & { op: 'expect' }, 'op' | 'at'>) =>
      codes(await run({ op: 'expect', at, ...step }));
    expect(await expecting({ stat })).toEqual(['ok']);
    expect(await expecting({ stat, hash: hashOf('abc') })).toEqual(['ok']);
    expect(await expecting({ stat, hash: hashOf('abd') })).toEqual(['not-as-expected']);
    for (const other of [{ sizeBytes: 4 }, { mtimeNs: 1n }, { inode: 1n }, { type: 'symlink' as const }]) {
      expect(await expecting({ stat: { ...stat, ...other } })).toEqual(['not-as-expected']);
    }
    expect(await expecting({ stat: undefined })).toEqual(['not-as-expected']);
    expect(await expecting({ stat: { ...stat, ctimeNs: 1n, links: 2, mode: 0 } })).toEqual(['ok']);
  });

  it('copy a file only when it has the content it should have', async () => {
    folder.write('file', 'abc');
    chmodSync(join(folder.root, 'file'), 0o400);
    const step = (hash: string, temp: string): DiskStep => ({
      op: 'copy-to-temp',
      from: rel('file'),
      hash: hashOf(hash),
      temp: area(temp),
      mtimeNs: 10n ** 18n,
      mode: 0o755,
    });
    expect(codes(await run(step('abd', 'tmp/a')))).toEqual(['wrong-hash']);
    expect(await run(step('abc', 'tmp/b'))).toMatchObject([
      { ok: true, stat: { mode: 0o755, mtimeNs: 10n ** 18n } },
    ]);
    expect(folder.area()).toEqual({ 'history/': '/', 'tmp/': '/', 'tmp/b': 'abc' });
  });

  it('give a file of the area an inode of its own', async () => {
    folder.write('file', 'abc');
    linkSync(join(folder.root, 'file'), join(outside, 'other'));
    const before = await folder.stat('file');
    const results = await run(
      { op: 'rename', from: { entry: rel('file') }, to: { area: area('history/f') } },
      { op: 'unshare', area: area('history/f') },
    );
    expect(results).toMatchObject([
      { ok: true },
      { ok: true, stat: { links: 1, mtimeNs: (before.mtimeNs / 1000n) * 1000n } },
    ]);
    writeFileSync(join(outside, 'other'), 'changed');
    expect(folder.area()).toEqual({ 'history/': '/', 'history/f': 'abc', 'tmp/': '/' });
  });

  it('reach paths that are deeper than handles are kept for', async () => {
    const deep = Array.from({ length: 150 }, (_, i) => `d${i}`);
    const items = deep.map((_, i): DiskStep[] => [
      { op: 'mkdir', path: rel(deep.slice(0, i + 1).join('/')) },
    ]);
    await folder.disk.run(items);
    const results = await folder.disk.run([
      [
        writeTemp('t', 'x'),
        { op: 'link-temp', temp: area('tmp/t'), to: rel(`${deep.join('/')}/file`) },
        { op: 'make-area', area: area(`history/${deep.join('/')}`) },
        {
          op: 'rename',
          from: { entry: rel(`${deep.join('/')}/file`) },
          to: { area: area(`history/${deep.join('/')}/file`) },
        },
        { op: 'rename', from: { area: area(`history/${deep.join('/')}/file`) }, to: { entry: rel('up') } },
      ],
    ]);
    expect(results.map(codes)).toEqual([['ok', 'ok', 'ok', 'ok', 'ok']]);
    expect(folder.read('up')).toBe('x');
  });

  it('come back with what the system said', async () => {
    await run(writeTemp('t', 'x'));
    const results = await run({ op: 'link-temp', temp: area('tmp/t'), to: rel(`${'x'.repeat(256)}`) });
    expect(codes(results)).toEqual(['ENAMETOOLONG']);
    const [missing] = await run({
      op: 'rename',
      from: { entry: rel('nothing') },
      to: { area: area('tmp/x') },
    });
    expect(missing).toMatchObject({
      ok: false,
      error: { code: 'ENOENT', message: 'rename "nothing": ENOENT' },
    });
  });
});
