import { existsSync, linkSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelativePath } from '../core/model/relative-path.js';
import { ApplierRig } from './applier-rig.js';
import { contentOf, makeTestFolder } from './folder-fixture.js';

const rel = (path: string) => path as RelativePath;

let rig: ApplierRig;
let apply: ApplierRig['apply'];
let copyOf: ApplierRig['copyOf'];
let directory: ApplierRig['directory'];
let file: ApplierRig['file'];
let folder: ApplierRig['folder'];
let history: ApplierRig['history'];
let leftInTmp: ApplierRig['leftInTmp'];
let move: ApplierRig['move'];
let remove: ApplierRig['remove'];
let statOf: ApplierRig['statOf'];
let symlink: ApplierRig['symlink'];
let task: ApplierRig['task'];
let displaced: ApplierRig['displaced'];

beforeEach(() => {
  rig = new ApplierRig();
  ({
    apply,
    copyOf,
    directory,
    file,
    folder,
    history,
    leftInTmp,
    move,
    remove,
    statOf,
    symlink,
    task,
    displaced,
  } = rig);
});

afterEach(() => rig.folder.remove());

describe('applying', () => {
  it('makes directories, files and links, in order', async () => {
    const outcomes = await apply([
      await directory('d'),
      await file('d/f', 'text', {}, { mode: 0o640 }),
      await file('run', '#!', {}, { executable: true }),
      await symlink('d/l', '../elsewhere'),
      await file('empty', ''),
    ]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(5).fill('applied'));
    expect(folder.tree()).toEqual({
      'd/': '/',
      'd/f': 'text',
      'd/l': '-> ../elsewhere',
      empty: '',
      run: '#!',
    });
    expect(outcomes[1]).toMatchObject({
      stat: { mode: 0o640, mtimeNs: 1_700_000_000_123_456_000n, links: 1 },
    });
    expect(outcomes[2]).toMatchObject({ stat: { mode: 0o755 } });
    for (const [i, path] of ['d', 'd/f', 'run', 'd/l', 'empty'].entries()) {
      if (i > 0) expect(outcomes[i]).toMatchObject({ stat: await statOf(path) });
    }
    expect(leftInTmp()).toEqual([]);
    expect(history()).toEqual({});
  });

  it('takes contents from a partial and from another file', async () => {
    const content = contentOf('shared');
    folder.write('there', 'shared');
    await folder.disk.openPartial(content);
    await folder.disk.writeChunks(content.hash, [
      { offsetBytes: 0, chunk: { hash: content.hash, lengthBytes: 6 }, bytes: Buffer.from('shared') },
    ]);
    const outcomes = await apply([
      await file('a', 'shared', { action: { kind: 'file', from: { kind: 'partial' } } }),
      await file('b', 'shared', { action: { kind: 'file', from: { kind: 'copy', path: rel('there') } } }),
      await file('c', 'other', { action: { kind: 'file', from: { kind: 'copy', path: rel('there') } } }),
      await file('d', 'other', { action: { kind: 'file', from: { kind: 'partial' } } }),
    ]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      'applied',
      'applied',
      'source-gone',
      'source-gone',
    ]);
    expect(folder.tree()).toEqual({ a: 'shared', b: 'shared', there: 'shared' });
    expect(leftInTmp()).toEqual([]);
  });

  it('keeps what it replaces and removes in history', async () => {
    folder.write('d/old', 'one');
    folder.write('d/gone', 'two');
    symlinkSync('x', join(folder.root, 'l'));
    const outcomes = await apply([
      await file('d/old', 'new'),
      await remove('d/gone'),
      await symlink('l', 'y'),
    ]);
    expect(folder.tree()).toEqual({ 'd/': '/', 'd/old': 'new', l: '-> y' });
    expect(history()).toEqual({ 'd/': '/', 'd/old': 'one', 'd/gone': 'two', l: '-> x' });
    expect(outcomes).toMatchObject([
      { outcome: 'applied', historyItem: { path: 'd/old', sizeBytes: 3, reason: 'replaced' } },
      { outcome: 'applied', stat: undefined, historyItem: { path: 'd/gone', reason: 'deleted' } },
      { outcome: 'applied' },
    ]);
    expect(displaced.map(({ path }) => path)).toEqual(['d/old', 'd/gone', 'l']);
  });

  it('takes any name, also into history', async () => {
    const names = ['new\nline', '🦊', ' ', `${'ä'.repeat(127)}x`, '-rf', '*', `d/${'y'.repeat(255)}`];
    mkdirSync(join(folder.root, 'd'));
    for (const text of ['one', 'two']) {
      const tasks = [];
      for (const name of names) tasks.push(await file(name, text));
      expect((await apply(tasks)).map(({ outcome }) => outcome)).toEqual(names.map(() => 'applied'));
      for (const name of names) expect(folder.read(name)).toBe(text);
    }
    expect(Object.keys(history()).sort()).toEqual([...names, 'd/'].sort());
  });

  it('swaps files and directories, and removes trees from below', async () => {
    folder.write('file', 'x');
    mkdirSync(join(folder.root, 'empty'));
    folder.write('tree/a/b', 'x');
    const outcomes = await apply([
      await directory('file'),
      await file('file/inside', 'y'),
      await file('empty', 'z'),
      await remove('tree/a/b'),
      await remove('tree/a'),
      await remove('tree'),
    ]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(6).fill('applied'));
    expect(folder.tree()).toEqual({ empty: 'z', 'file/': '/', 'file/inside': 'y' });
  });

  it('makes what it displaces a conflict copy where nobody had seen it', async () => {
    folder.write('f', 'mine');
    const mine = await folder.stat('f');
    const [outcome] = await apply([await file('f', 'theirs', { displaced: copyOf('mine') })]);
    expect(folder.tree()).toEqual({ f: 'theirs', 'f.copy': 'mine' });
    expect(outcome).toMatchObject({
      outcome: 'applied',
      copy: { entry: { path: 'f.copy' }, stat: { inode: mine.inode } },
    });
    expect(outcome).toMatchObject({ copy: { stat: await folder.stat('f.copy') } });
    expect(outcome).not.toHaveProperty('historyItem');
  });

  it('is content with a conflict copy that stands there already, and gives another content another name', async () => {
    folder.write('f', 'mine');
    folder.write('f.copy', 'mine');
    const [first] = await apply([await file('f', 'theirs', { displaced: copyOf('mine') })]);
    expect(first).toMatchObject({ outcome: 'applied', copy: { stat: await folder.stat('f.copy') } });
    expect(folder.tree()).toEqual({ f: 'theirs', 'f.copy': 'mine' });
    folder.write('f', 'again');
    const [second] = await apply([await file('f', 'newer', { displaced: copyOf('again') })]);
    expect(second).toMatchObject({ outcome: 'applied' });
    expect(second).not.toHaveProperty('copy');
    const { f, 'f.copy': copy, ...rescued } = folder.tree();
    expect([f, copy, Object.values(rescued)]).toEqual(['newer', 'mine', ['again']]);
  });

  it('gives history an inode of its own where a file has other links', async () => {
    folder.write('f', 'one');
    linkSync(join(folder.root, 'f'), join(folder.root, 'other'));
    await apply([await file('f', 'two')]);
    writeFileSync(join(folder.root, 'other'), 'edited');
    expect(history()).toEqual({ f: 'one' });
  });

  it('moves a file by renaming it', async () => {
    folder.write('from', 'text');
    folder.write('there', 'old');
    mkdirSync(join(folder.root, 'd'));
    const { inode } = await folder.stat('from');
    const [outcome] = await apply([await move('from', 'd/to', 'text')]);
    expect(outcome).toMatchObject({ outcome: 'applied', stat: { inode, links: 1 } });
    expect(outcome).toMatchObject({ stat: await folder.stat('d/to') });
    expect(folder.tree()).toEqual({ 'd/': '/', 'd/to': 'text', there: 'old' });
    const [over] = await apply([await move('d/to', 'there', 'text')]);
    expect(over).toMatchObject({ outcome: 'applied', stat: { inode } });
    expect(folder.tree()).toEqual({ 'd/': '/', there: 'text' });
    expect(history()).toEqual({ there: 'old' });
  });

  it('sets times and modes, and adopts what stands there', async () => {
    folder.write('f', 'text');
    const [touched] = await apply([
      await task(
        'f',
        contentOf('text'),
        { action: { kind: 'metadata' } },
        { mtimeNs: 10n ** 18n, executable: true, mode: 0o700 },
      ),
    ]);
    expect(touched).toMatchObject({ outcome: 'applied', stat: { mtimeNs: 10n ** 18n, mode: 0o700 } });
    expect(touched).not.toHaveProperty('intentId');
    const [adopted] = await apply([await task('f', contentOf('text'), { action: { kind: 'adopt' } })]);
    expect(adopted).toEqual({ outcome: 'applied', stat: await statOf('f') });
    expect(folder.area()).toEqual({ 'history/': '/', 'tmp/': '/' });
  });

  it('never gives set-user-ID to a file, nor takes rights from the owner of a directory', async () => {
    const [setuid] = await apply([await file('f', 'x', {}, { mode: 0o6755 })]);
    expect(setuid).toMatchObject({ stat: { mode: 0o755 } });
    await apply([await directory('d', {}, { mode: 0o500 })]);
    expect(await statOf('d')).toMatchObject({ mode: 0o700 });
  });
});

describe('a path through a link', () => {
  it('is not applied', async () => {
    const outside = makeTestFolder();
    symlinkSync(outside.root, join(folder.root, 'd'));
    const outcomes = await apply([
      await file('d/f', 'x'),
      await directory('d/e'),
      await symlink('d/l', 'x'),
      await remove('d/f', { assumed: await folder.stat('d') }),
    ]);
    expect(outcomes.slice(0, 3)).toMatchObject(
      Array(3).fill({ outcome: 'failed', problem: { code: 'unplaceable' } }),
    );
    expect(outside.tree()).toEqual({});
    expect(lstatSync(join(folder.root, 'd')).isSymbolicLink()).toBe(true);
    expect(existsSync(join(folder.root, 'd/f'))).toBe(false);
    await outside.remove();
  });
});
