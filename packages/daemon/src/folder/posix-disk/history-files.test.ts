import { existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AreaPath } from '../../core/ports/folder-disk.js';
import { contentOf, makeTestFolder, noise, type TestFolder } from '../folder-fixture.js';

const area = (path: string) => path as AreaPath;
let folder: TestFolder;
beforeEach(() => {
  folder = makeTestFolder();
});
afterEach(() => folder.remove());

const at = (path: string) => join(folder.root, '.landropic', path);
const put = (path: string, content: string | Uint8Array) => {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
};

describe('a copy from history', () => {
  it('is the complete partial of its content, and history keeps its own', async () => {
    const bytes = noise(900_000);
    put('history/1/d/f', bytes);
    const { inode } = { inode: BigInt(lstatSync(at('history/1/d/f')).ino) };
    const taken = await folder.disk.history.takeCopy(area('history/1/d/f'), bytes.length);
    expect(taken).toMatchObject({ ok: true, value: { content: contentOf(bytes), stat: { inode } } });
    const { hash } = contentOf(bytes);
    expect(await folder.disk.listPartials()).toEqual([hash]);
    expect(await folder.disk.openPartial(contentOf(bytes))).toMatchObject({ ok: true });
    expect(await folder.disk.finishPartial(contentOf(bytes))).toEqual({ ok: true, value: 'complete' });
    writeFileSync(at(`tmp/${hash}.part`), 'changed');
    expect(folder.area()['history/1/d/f']).toHaveLength(bytes.toString('utf8').length);
  });

  it('of a symlink says where it points, and follows nothing', async () => {
    put('history/1/f', 'x');
    symlinkSync('f', at('history/1/l'));
    const taken = await folder.disk.history.takeCopy(area('history/1/l'), 0);
    expect(taken).toMatchObject({ ok: true, value: { content: { type: 'symlink', target: 'f' } } });
    expect(await folder.disk.listPartials()).toEqual([]);
  });

  it('is refused of anything outside history', async () => {
    put('tmp/x', 'x');
    for (const path of ['tmp/x', 'history/../tmp/x', 'history']) {
      expect(await folder.disk.history.takeCopy(area(path), 0)).toMatchObject({ ok: false });
      expect(await folder.disk.history.remove([area(path)])).toMatchObject([{ ok: false }]);
    }
    expect(existsSync(at('tmp/x'))).toBe(true);
  });
});

describe('removing from history', () => {
  it('takes the directories that are left empty along, and nothing else', async () => {
    put('history/1/d/e/f', '1');
    put('history/1/g', '2');
    put('history/2/h', '3');
    expect(await folder.disk.history.remove([area('history/1/d/e/f'), area('history/2/h')])).toEqual([
      { ok: true, value: undefined },
      { ok: true, value: undefined },
    ]);
    expect(Object.keys(folder.area()).filter((path) => path.startsWith('history'))).toEqual([
      'history/',
      'history/1/',
      'history/1/g',
    ]);
  });

  it('counts what is gone already as removed', async () => {
    put('history/1/f', '1');
    const gone = [area('history/1/gone'), area('history/1/f'), area('history/1/f')];
    expect((await folder.disk.history.remove(gone)).map(({ ok }) => ok)).toEqual([true, true, true]);
    expect(existsSync(at('history/1'))).toBe(false);
    expect(existsSync(at('history'))).toBe(true);
  });

  it('follows no link that somebody put into history', async () => {
    folder.write('precious', 'x');
    mkdirSync(at('history/1'), { recursive: true });
    symlinkSync('../../..', at('history/1/out'));
    expect(await folder.disk.history.remove([area('history/1/out/precious')])).toMatchObject([{ ok: false }]);
    expect(folder.exists('precious')).toBe(true);
  });
});

it('lists history with what it holds, the oldest batches first, up to a limit', async () => {
  put('history/20260102-000000-a/d/f', '22');
  put('history/20260101-000000-b/f', '1');
  const listed = await folder.disk.history.list(10);
  expect(listed).toMatchObject({
    ok: true,
    value: [
      { area: 'history/20260101-000000-b/f', stat: { sizeBytes: 1 } },
      { area: 'history/20260102-000000-a/d/f', stat: { sizeBytes: 2 } },
    ],
  });
  expect(await folder.disk.history.list(1)).toMatchObject({ ok: true, value: { length: 1 } });
});
