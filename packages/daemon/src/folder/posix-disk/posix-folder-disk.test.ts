import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { AreaPath, DiskStep, StepResult } from '../../core/ports/folder-disk.js';
import {
  contentOf,
  hashOf,
  makeTestDirectory,
  makeTestFolder,
  noise,
  type TestFolder,
} from '../folder-fixture.js';

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

describe('hashing', () => {
  it('gives the chunks and hashes that the content has', async () => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 1_048_576, 1_048_577, 3_000_000, 14_500_000]) {
      const bytes = noise(size, size);
      folder.write('file', bytes);
      const expected = await folder.stat('file');
      const content = contentOf(bytes);
      expect(await folder.disk.hash(rel('file'), expected, signal())).toEqual({
        ok: true,
        value: { stat: expected, content },
      });
      if (size > 2 ** 20) continue;
      expect(await folder.disk.hashSmall([{ path: rel('file'), expected }])).toEqual([
        { ok: true, value: { stat: expected, content } },
      ]);
    }
  });

  it('takes nothing for the file that is not as expected', async () => {
    folder.write('file', 'before');
    const expected = await folder.stat('file');
    folder.write('file', 'after!');
    expect(await folder.disk.hash(rel('file'), expected, signal())).toMatchObject({
      ok: false,
      error: { code: 'changed-meanwhile' },
    });
  });

  it('does not wait for the other end of a FIFO', async () => {
    folder.write('file', '');
    const expected = await folder.stat('file');
    rmSync(join(folder.root, 'file'));
    execFileSync('mkfifo', [join(folder.root, 'file')]);
    expect(await folder.disk.hash(rel('file'), expected, signal())).toMatchObject({
      ok: false,
      error: { code: 'not-a-file' },
    });
  });

  it('can be given up', async () => {
    folder.write('file', noise(2_000_000));
    const expected = await folder.stat('file');
    const abort = new AbortController();
    const hashing = folder.disk.hash(rel('file'), expected, abort.signal);
    abort.abort();
    expect(await hashing).toMatchObject({ ok: false, error: { code: 'aborted' } });
    expect(await folder.disk.hash(rel('file'), expected, abort.signal)).toMatchObject({
      ok: false,
      error: { code: 'aborted' },
    });
  });
});

describe('a partial', () => {
  const bytes = noise(2_500_000);
  const content = contentOf(bytes);
  const writes = () => {
    let offsetBytes = 0;
    return content.chunks.map((chunk) => {
      const at = offsetBytes;
      offsetBytes += chunk.lengthBytes;
      return { offsetBytes: at, chunk, bytes: Uint8Array.from(bytes.subarray(at, offsetBytes)) };
    });
  };

  it('goes on from the chunks it has, and becomes a temp when it is complete', async () => {
    expect(content.chunks.length).toBeGreaterThan(3);
    const all = writes();
    expect(await folder.disk.openPartial(content)).toEqual({
      ok: true,
      value: { present: all.map(() => false) },
    });
    expect(await folder.disk.writeChunks(content.hash, all.slice(1, 3))).toEqual([
      { ok: true, value: 'written' },
      { ok: true, value: 'written' },
    ]);
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'wrong-hash' });
    expect(await folder.disk.listPartials()).toEqual([content.hash]);
    const present = all.map((_, i) => i === 1 || i === 2);
    expect(await folder.disk.openPartial(content)).toEqual({ ok: true, value: { present } });
    await folder.disk.writeChunks(
      content.hash,
      writes().filter((_, i) => !present[i]),
    );
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'complete' });
    const results = await run(
      { op: 'partial-to-temp', hash: content.hash, temp: area('tmp/t'), mtimeNs: 10n ** 18n, mode: 0o755 },
      { op: 'link-temp', temp: area('tmp/t'), to: rel('file') },
    );
    expect(results).toMatchObject([
      { ok: true },
      { ok: true, stat: { mtimeNs: 10n ** 18n, mode: 0o755, links: 1 } },
    ]);
    expect(readFileSync(join(folder.root, 'file')).equals(bytes)).toBe(true);
    expect(await folder.disk.listPartials()).toEqual([]);
  });

  it('takes no chunk that is not the one it should be', async () => {
    await folder.disk.openPartial(content);
    const [first, second] = writes();
    if (first === undefined || second === undefined) throw new Error('two chunks');
    const flipped = { ...first, bytes: first.bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) };
    const beyond = { ...second, offsetBytes: content.sizeBytes - 1 };
    const results = await folder.disk.writeChunks(content.hash, [
      flipped,
      { ...first, bytes: first.bytes.subarray(1) },
      beyond,
    ]);
    expect(results).toMatchObject([
      { value: 'wrong-hash' },
      { value: 'wrong-hash' },
      { ok: false, error: { code: 'EFBIG' } },
    ]);
    expect(statSync(join(folder.root, `.landropic/tmp/${content.hash}.part`)).size).toBe(content.sizeBytes);
  });

  it('copies what local files have, where it is right', async () => {
    folder.write('source', Buffer.concat([Buffer.from('prefix'), bytes]));
    await folder.disk.openPartial(content);
    const copies = writes().map(({ offsetBytes, chunk }, i) => ({
      from: { path: rel('source'), offsetBytes: offsetBytes + (i === 1 ? 0 : 6) },
      offsetBytes,
      chunk,
    }));
    const expected = copies.map((_, i) => i !== 1);
    expect(await folder.disk.copyChunks(content.hash, copies)).toEqual(expected);
    expect(await folder.disk.openPartial(content)).toEqual({ ok: true, value: { present: expected } });
  });

  it('can be discarded, twice', async () => {
    await folder.disk.openPartial(content);
    await folder.disk.discardPartial(content.hash);
    await folder.disk.discardPartial(content.hash);
    expect(await folder.disk.listPartials()).toEqual([]);
  });

  it('is cut to the size of its content', async () => {
    await folder.disk.openPartial(content);
    truncateSync(join(folder.root, `.landropic/tmp/${content.hash}.part`), 10);
    expect(await folder.disk.openPartial(content)).toMatchObject({ ok: true });
    expect(statSync(join(folder.root, `.landropic/tmp/${content.hash}.part`)).size).toBe(content.sizeBytes);
  });
});

describe('reading chunks', () => {
  it('returns those that are right, in order', async () => {
    folder.write('a', 'one two');
    const ask = (path: string, offsetBytes: number, text: string) => ({
      path: rel(path),
      offsetBytes,
      chunk: { hash: hashOf(text), lengthBytes: text.length },
    });
    const read = await folder.disk.readChunks([
      ask('a', 4, 'two'),
      ask('a', 0, 'ONE'),
      ask('b', 0, 'x'),
      ask('a', 0, 'one'),
      ask('a', 6, 'oo'),
    ]);
    expect(read.map((bytes) => bytes && Buffer.from(bytes).toString())).toEqual([
      'two',
      undefined,
      undefined,
      'one',
      undefined,
    ]);
  });
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
