import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFolderPath, isInside } from './folder-path.js';
import { indexFileOf, locateHome, prepareHome } from './home.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'landropic-home-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the home', () => {
  it.each([
    ['linux', { HOME: '/home/ann' }, '/home/ann/.local/share/landropic'],
    ['linux', { HOME: '/home/ann', XDG_DATA_HOME: '/data/ann' }, '/data/ann/landropic'],
    ['darwin', { HOME: '/Users/ann' }, '/Users/ann/Library/Application Support/landropic'],
    ['linux', { HOME: '/home/ann', LANDROPIC_HOME: '/srv/l' }, '/srv/l'],
    ['linux', { HOME: '/home/ann', LANDROPIC_HOME: '' }, '/home/ann/.local/share/landropic'],
  ] as const)('on %s with %o lies in %s', (platform, environment, expected) => {
    expect(locateHome({ platform, environment }).directory).toBe(expected);
  });

  it('keeps its socket beside everything else while the path is short enough for one', () => {
    expect(locateHome({ directory: '/srv/l', platform: 'linux' }).socketPath).toBe('/srv/l/daemon.sock');
  });

  it('falls back to a short socket path, one for each home', () => {
    const socketOf = (name: string) =>
      locateHome({
        directory: `/srv/${name.repeat(100)}`,
        platform: 'linux',
        environment: { XDG_RUNTIME_DIR: '/run/user/1000' },
      }).socketPath;
    expect(socketOf('a')).toMatch(/^\/run\/user\/1000\/landropic-[0-9a-f]{16}\/daemon\.sock$/);
    expect(socketOf('a')).toBe(socketOf('a'));
    expect(socketOf('a')).not.toBe(socketOf('b'));
  });

  it('counts bytes, not characters, against the limit of a socket path', () => {
    const { socketPath } = locateHome({ directory: `/srv/${'ü'.repeat(50)}`, platform: 'linux' });
    expect(Buffer.byteLength(socketPath)).toBeLessThanOrEqual(107);
  });

  it('uses a named pipe on Windows', () => {
    expect(locateHome({ directory: '/x', platform: 'win32' }).socketPath).toMatch(
      /^\\\\\.\\pipe\\landropic-[0-9a-f]{16}$/,
    );
  });

  it('gives folders whose IDs differ in case alone an index of their own on any disk', () => {
    const home = locateHome({ directory: '/srv/l' });
    expect(indexFileOf(home, 'photos')).toBe('/srv/l/index/photos.sqlite');
    const files = ['photos', 'Photos', 'PHOTOS', 'con', 'con.x', '.hidden', 'a.b', 'A.b'].map((id) =>
      indexFileOf(home, id).toLowerCase(),
    );
    expect(new Set(files).size).toBe(files.length);
    for (const file of files) expect(file).not.toMatch(/\/(con)\./);
  });

  it('is made for its owner alone, and made private when it was not', () => {
    const home = locateHome({ directory: join(directory, 'a', 'b') });
    prepareHome(home);
    expect(statSync(home.directory).mode & 0o777).toBe(0o700);
    expect(existsSync(home.indexDirectory)).toBe(true);
    chmodSync(home.directory, 0o755);
    prepareHome(home);
    expect(statSync(home.directory).mode & 0o777).toBe(0o700);
  });

  it('says so when it cannot be made', () => {
    writeFileSync(join(directory, 'file'), '');
    expect(() => prepareHome(locateHome({ directory: join(directory, 'file', 'home') }))).toThrow(
      expect.objectContaining({ code: 'home-not-writable', hint: expect.stringContaining('LANDROPIC_HOME') }),
    );
  });
});

describe('a path to share', () => {
  const check = (path: string, sharedPaths: string[] = []) =>
    checkFolderPath(path, { sharedPaths, homeDirectory: join(directory, 'home') });
  const refusal = (text: string | RegExp) =>
    expect.objectContaining({ code: 'file-system', message: expect.stringMatching(text) });

  it('is a directory, without symlinks on the way', () => {
    mkdirSync(join(directory, 'real'));
    symlinkSync(join(directory, 'real'), join(directory, 'link'));
    expect(check(join(directory, 'link'))).toBe(join(directory, 'real'));
  });

  it('is neither missing nor a file', () => {
    writeFileSync(join(directory, 'file'), '');
    expect(() => check(join(directory, 'none'))).toThrow(refusal(/does not exist/));
    expect(() => check(join(directory, 'file'))).toThrow(refusal(/not a directory/));
  });

  it('is neither inside nor around another shared folder, nor around the home', () => {
    mkdirSync(join(directory, 'a', 'b'), { recursive: true });
    mkdirSync(join(directory, 'a-b'));
    mkdirSync(join(directory, 'home'));
    expect(() => check(join(directory, 'a', 'b'), [join(directory, 'a')])).toThrow(refusal(/is inside/));
    expect(() => check(join(directory, 'a'), [join(directory, 'a', 'b')])).toThrow(refusal(/is inside/));
    expect(() => check(join(directory, 'a'), [join(directory, 'a')])).toThrow(refusal(/is inside/));
    expect(() => check(directory)).toThrow(refusal(/landropic's own/));
    expect(() => check(join(directory, 'home'))).toThrow(refusal(/landropic's own/));
    expect(check(join(directory, 'a-b'), [join(directory, 'a')])).toBe(join(directory, 'a-b'));
  });

  it('tells a name that begins with two dots from the way up', () => {
    expect(isInside('/a/..b', '/a')).toBe(true);
    expect(isInside('/b', '/a')).toBe(false);
  });
});
