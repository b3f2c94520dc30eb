import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeTestDirectory } from '../folder-fixture.js';
import { CheckedDirectories } from './checked-directories.js';
import { DirectoryHandles } from './directory-handles.js';

let root: string;
let outside: string;

beforeEach(() => {
  root = makeTestDirectory();
  outside = makeTestDirectory();
  mkdirSync(join(root, '.landropic'));
  mkdirSync(join(root, 'a/b'), { recursive: true });
});

afterEach(() => {
  rmSync(root, { recursive: true });
  rmSync(outside, { recursive: true });
});

const openHandles = () => readdirSync('/proc/self/fd').length;

describe.runIf(process.platform === 'linux')('directory handles', () => {
  it('stay with the directory when a parent is swapped for a link', () => {
    mkdirSync(join(outside, 'b'));
    const handles = new DirectoryHandles(root);
    const prefix = handles.prefixOf('a/b');
    renameSync(join(root, 'a'), join(root, 'moved'));
    symlinkSync(outside, join(root, 'a'));
    writeFileSync(`${prefix}file`, 'x');
    expect(existsSync(join(root, 'moved/b/file'))).toBe(true);
    expect(existsSync(join(outside, 'b/file'))).toBe(false);
    handles.close();
    const later = new DirectoryHandles(root);
    expect(() => later.prefixOf('a/b')).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
    later.close();
  });

  it('forget what was renamed', () => {
    const handles = new DirectoryHandles(root);
    handles.prefixOf('a/b');
    renameSync(join(root, 'a'), join(root, 'c'));
    handles.forget('a');
    expect(() => handles.prefixOf('a/b')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    handles.close();
  });

  it('are few at a time and all closed at the end', () => {
    const before = openHandles();
    for (let i = 0; i < 200; i++) mkdirSync(join(root, `d${i}/e/f`), { recursive: true });
    const handles = new DirectoryHandles(root);
    for (let i = 0; i < 200; i++) handles.prefixOf(`d${i}/e/f`);
    expect(openHandles() - before).toBeLessThan(70);
    expect(() => handles.prefixOf('d1/nothing/f')).toThrow();
    handles.close();
    expect(openHandles()).toBe(before);
  });
});

const accesses = [
  { name: 'handles', open: (path: string) => new DirectoryHandles(path) },
  { name: 'checked paths', open: (path: string) => new CheckedDirectories(path) },
];

describe.each(accesses)('$name', ({ open }) => {
  it('reach a directory below the root', () => {
    writeFileSync(join(root, 'a/b/file'), 'x');
    const access = open(root);
    expect(readdirSync(access.prefixOf('a/b'))).toEqual(['file']);
    expect(readdirSync(access.prefixOf('')).sort()).toEqual(['.landropic', 'a']);
    access.close();
  });

  it('follow no link, neither in the middle nor at the end', () => {
    mkdirSync(join(outside, 'b'));
    symlinkSync(outside, join(root, 'link'));
    const access = open(root);
    for (const path of ['link', 'link/b']) {
      expect(() => access.prefixOf(path)).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
    }
    access.close();
  });

  it('go nowhere by dots', () => {
    const access = open(root);
    for (const path of ['..', 'a/..', 'a/../..', '.', 'a//b']) {
      expect(() => access.prefixOf(path)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }
    access.close();
  });

  it('want the folder and its marker', () => {
    expect(() => open(join(root, 'nothing'))).toThrow(expect.objectContaining({ code: 'root-missing' }));
    rmSync(join(root, '.landropic'), { recursive: true });
    expect(() => open(root)).toThrow(expect.objectContaining({ code: 'root-missing' }));
    symlinkSync(outside, join(root, '.landropic'));
    expect(() => open(root)).toThrow(expect.objectContaining({ code: 'root-missing' }));
  });
});
