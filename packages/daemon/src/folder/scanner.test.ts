import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DirectoryPath, depthOf, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { IndexRow } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import type { Difference, ScanBatch, ScanScope } from '../core/ports/scanner.js';
import {
  alterDisk,
  contentOf,
  entryOf,
  makeTestDirectory,
  makeTestFolder,
  type TestFolder,
} from './folder-fixture.js';
import { FolderScanner, type HeldReader, type ScannerOptions } from './scanner.js';

const rel = (path: string) => path as RelativePath;

/** What is held, as the scan before said it. */
class HeldRows implements HeldReader {
  readonly rows = new Map<RelativePath, IndexRow>();

  get(path: RelativePath): IndexRow | undefined {
    return this.rows.get(path);
  }

  heldChildren(directory: DirectoryPath): readonly IndexRow[] {
    return [...this.rows.values()].filter(({ path }) => parentOf(path) === directory);
  }

  hold({ path, stat, target }: Difference & { kind: 'present' }): void {
    const content =
      stat.type === 'directory'
        ? ({ type: 'directory' } as const)
        : stat.type === 'symlink'
          ? ({ type: 'symlink', target: target ?? '' } as const)
          : contentOf('');
    const { version, metadata } = entryOf(path, content);
    const known = undefined;
    const held = { version, metadata, stat, racy: false };
    this.rows.set(path, { path, sequence: 1, known, held, source: undefined, conflictOf: undefined });
  }
}

let folder: TestFolder;
let held: HeldRows;

beforeEach(() => {
  folder = makeTestFolder();
  held = new HeldRows();
});

afterEach(() => folder.remove());

async function scan(
  scope: ScanScope = { kind: 'everything' },
  options: ScannerOptions & { disk?: FolderDisk } = {},
): Promise<ScanBatch & { sizes: number[] }> {
  const scanner = new FolderScanner({ disk: options.disk ?? folder.disk, held }, options);
  const all = {
    differences: [] as Difference[],
    problems: [] as ScanBatch['problems'][number][],
    listed: [] as DirectoryPath[],
    sizes: [] as number[],
  };
  for await (const batch of scanner.scan(scope, new AbortController().signal)) {
    all.differences.push(...batch.differences);
    all.problems.push(...batch.problems);
    all.listed.push(...batch.listed);
    all.sizes.push(batch.differences.length);
  }
  return all;
}

/** Scans everything and holds what is there. */
async function settle(): Promise<void> {
  for (const difference of (await scan()).differences) {
    if (difference.kind === 'present') held.hold(difference);
    else held.rows.delete(difference.path);
  }
}

const told = ({ differences }: ScanBatch) => differences.map(({ kind, path }) => `${kind} ${path}`).sort();
const directories = (...paths: string[]): ScanScope => ({ kind: 'directories', paths: paths.map(rel) });

describe('a scan of everything', () => {
  it('finds all there is, parents before children, and then nothing more', async () => {
    folder.write('a/b/file', 'x');
    folder.write('top', 'y');
    mkdirSync(join(folder.root, 'empty'));
    symlinkSync('a/b', join(folder.root, 'link'));
    const first = await scan();
    expect(told(first)).toEqual(
      ['a', 'a/b', 'a/b/file', 'empty', 'link', 'top'].map((path) => `present ${path}`),
    );
    const order = first.differences.map(({ path }) => path);
    for (const path of order.filter((path) => depthOf(path) > 1)) {
      expect(order.indexOf(parentOf(path) as RelativePath)).toBeLessThan(order.indexOf(path));
    }
    expect([...first.listed].sort()).toEqual(['', 'a', 'a/b', 'empty']);
    await settle();
    expect(await scan()).toMatchObject({ differences: [], problems: [] });
  });

  it('tells edits, touches, type changes and removals with what was held', async () => {
    for (const path of ['edited', 'touched', 'gone', 'tree/a/file', 'to-directory', 'to-file/child'])
      folder.write(path, 'x');
    symlinkSync('one', join(folder.root, 'link'));
    await settle();
    folder.write('edited', 'longer');
    chmodSync(join(folder.root, 'touched'), 0o700);
    rmSync(join(folder.root, 'gone'));
    rmSync(join(folder.root, 'tree'), { recursive: true });
    rmSync(join(folder.root, 'to-directory'));
    folder.write('to-directory/new', 'x');
    rmSync(join(folder.root, 'to-file'), { recursive: true });
    folder.write('to-file', 'x');
    rmSync(join(folder.root, 'link'));
    symlinkSync('two', join(folder.root, 'link'));
    const found = await scan();
    expect(told(found)).toEqual([
      'absent gone',
      'absent to-file/child',
      'absent tree',
      'absent tree/a',
      'absent tree/a/file',
      'present edited',
      'present link',
      'present to-directory',
      'present to-directory/new',
      'present to-file',
      'present touched',
    ]);
    for (const difference of found.differences) expect(difference.held).toBe(held.get(difference.path)?.held);
  });

  it('does not mind times of directories, but their mode', async () => {
    folder.write('a/file', 'x');
    await settle();
    folder.write('a/other', 'x');
    rmSync(join(folder.root, 'a/other'));
    expect(told(await scan())).toEqual([]);
    chmodSync(join(folder.root, 'a'), 0o700);
    expect(told(await scan())).toEqual(['present a']);
  });

  it('tells in batches of a bounded size', async () => {
    for (let i = 0; i < 40; i++) folder.write(`d/${i % 8}/${i}`, '');
    const found = await scan({ kind: 'everything' }, { batchSize: 5 });
    expect(found.differences.length).toBe(49);
    expect(Math.max(...found.sizes)).toBeLessThanOrEqual(5 + 8);
    await settle();
    rmSync(join(folder.root, 'd'), { recursive: true });
    const gone = await scan({ kind: 'everything' }, { batchSize: 5 });
    expect(gone.differences.length).toBe(49);
    expect(Math.max(...gone.sizes)).toBeLessThanOrEqual(5);
  });

  it('can be given up', async () => {
    folder.write('a', 'x');
    const abort = new AbortController();
    abort.abort(new Error('enough'));
    const batches = new FolderScanner({ disk: folder.disk, held }).scan({ kind: 'everything' }, abort.signal);
    await expect(batches[Symbol.asyncIterator]().next()).rejects.toThrow('enough');
  });
});

describe('what cannot be synced', () => {
  it('is a problem, and no absence of what was held there', async () => {
    folder.write('fifo', 'x');
    folder.write('cafe\u0301', 'x');
    await settle();
    rmSync(join(folder.root, 'fifo'));
    execFileSync('mkfifo', [join(folder.root, 'fifo')]);
    writeFileSync(Buffer.concat([Buffer.from(`${folder.root}/bad-`), Buffer.from([0xff])]), 'x');
    const found = await scan();
    expect(told(found)).toEqual([]);
    expect(found.problems.map(({ path, code }) => `${code} ${path}`).sort()).toEqual([
      'bad-name bad-\\xff',
      'bad-name cafe\u0301',
      'unsupported-type fifo',
    ]);
  });

  it('includes what is mounted below, which is not looked into', async (context) => {
    folder.write('mounted/inside', 'x');
    await settle();
    try {
      execFileSync('mount', ['-t', 'tmpfs', 'none', join(folder.root, 'mounted')], { stdio: 'ignore' });
    } catch {
      context.skip();
    }
    try {
      const found = await scan();
      expect(told(found)).toEqual([]);
      expect(found.problems).toMatchObject([{ code: 'submount', path: 'mounted' }]);
      const inside = await folder.disk.run([[{ op: 'mkdir', path: rel('mounted/new') }]]);
      expect(inside).toMatchObject([[{ ok: false, error: { code: 'submount' } }]]);
    } finally {
      execFileSync('umount', [join(folder.root, 'mounted')]);
    }
  });

  it('includes a directory that cannot be listed, below which nothing is absent', async () => {
    folder.write('a/b/file', 'x');
    await settle();
    rmSync(join(folder.root, 'a/b/file'));
    for (const [code, problem] of [
      ['EACCES', 'permission-denied'],
      ['EIO', 'io-error'],
    ] as const) {
      const disk = failingList(folder.disk, 'a', code);
      const found = await scan({ kind: 'everything' }, { disk });
      expect(told(found)).toEqual([]);
      expect(found.problems).toMatchObject([{ path: 'a', code: problem }]);
      expect(found.listed).toEqual(['']);
    }
  });

  it('is left alone where it is ignored, there or not', async () => {
    folder.write('ignored/file', 'x');
    folder.write('kept', 'x');
    await settle();
    folder.write('ignored/file', 'longer');
    folder.write('ignored-too', 'x');
    const isIgnored = (path: string) => path.startsWith('ignored');
    expect(told(await scan({ kind: 'everything' }, { isIgnored }))).toEqual([]);
    rmSync(join(folder.root, 'ignored'), { recursive: true });
    expect(told(await scan({ kind: 'everything' }, { isIgnored }))).toEqual([]);
  });
});

describe('a folder that is not there', () => {
  it('has no absences', async () => {
    folder.write('a/file', 'x');
    await settle();
    for (const gone of ['.landropic', '.']) {
      rmSync(join(folder.root, gone === '.' ? '' : gone), { recursive: true });
      await expect(scan()).rejects.toMatchObject({ code: 'root-missing' });
      await expect(scan(directories('a'))).rejects.toMatchObject({ code: 'root-missing' });
    }
  });
});

describe('an absence', () => {
  it('is not told of what came back before it was told', async () => {
    folder.write('file', 'x');
    await settle();
    rmSync(join(folder.root, 'file'));
    const disk = alterDisk(folder.disk, {
      list: async (directory: DirectoryPath) => {
        const listed = await folder.disk.list(directory);
        folder.write('file', 'again');
        return listed;
      },
    });
    expect(told(await scan({ kind: 'everything' }, { disk }))).toEqual([]);
  });

  it('is not told of what can no longer be seen', async () => {
    folder.write('a/file', 'x');
    await settle();
    const outside = makeTestDirectory();
    renameSync(join(folder.root, 'a'), join(outside, 'a'));
    symlinkSync(join(outside, 'a'), join(folder.root, 'a'));
    // A link took the place of the directory: what was below is gone from the folder, and the link is not followed.
    expect(told(await scan())).toEqual(['absent a/file', 'present a']);
    rmSync(outside, { recursive: true });
  });
});

describe('a scan of some directories', () => {
  it('looks at these, at what is new below them, and at nothing else', async () => {
    folder.write('a/known/file', 'x');
    folder.write('b/file', 'x');
    await settle();
    folder.write('a/known/file', 'changed');
    folder.write('a/new/deep/file', 'x');
    folder.write('b/file', 'changed');
    const found = await scan(directories('a'));
    expect(told(found)).toEqual(['present a/new', 'present a/new/deep', 'present a/new/deep/file']);
    expect([...found.listed].sort()).toEqual(['a', 'a/new', 'a/new/deep']);
    expect(told(await scan(directories('a/known', 'b', 'b')))).toEqual([
      'present a/known/file',
      'present b/file',
    ]);
  });

  it('tells of a directory that is new, gone or another thing by its parent', async () => {
    folder.write('x/gone/deep/file', '');
    folder.write('x/replaced/file', '');
    await settle();
    rmSync(join(folder.root, 'x/gone'), { recursive: true });
    rmSync(join(folder.root, 'x/replaced'), { recursive: true });
    folder.write('x/replaced', 'now a file');
    folder.write('x/fresh/one/file', '');
    const found = await scan(directories('x/gone/deep', 'x/replaced', 'x/fresh/one'));
    expect(told(found)).toEqual([
      'absent x/gone',
      'absent x/gone/deep',
      'absent x/gone/deep/file',
      'absent x/replaced/file',
      'present x/fresh',
      'present x/fresh/one',
      'present x/fresh/one/file',
      'present x/replaced',
    ]);
    const order = found.differences.map(({ path }) => path);
    expect(order.indexOf(rel('x/fresh'))).toBeLessThan(order.indexOf(rel('x/fresh/one')));
  });
});

describe('any changes', () => {
  it('are found by a scan of everything, after which nothing is left to find', async () => {
    const names = fc.constantFrom('a', 'b', 'c');
    const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const changes = fc.array(fc.tuple(fc.constantFrom('write', 'mkdir', 'link', 'remove'), paths), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(changes, async (steps) => {
        for (const [kind, path] of steps) change(folder, kind, path);
        await settle();
        const tree = Object.keys(folder.tree()).map((path) => path.replace(/\/$/, ''));
        expect([...held.rows.keys()].sort()).toEqual(tree.sort());
        expect(await scan()).toMatchObject({ differences: [], problems: [] });
      }),
      { numRuns: 60 },
    );
  });
});

let writes = 0;

function change(where: TestFolder, kind: string, path: string): void {
  const whole = join(where.root, path);
  try {
    if (kind === 'write') where.write(path, `${path}${++writes}`);
    else if (kind === 'mkdir') mkdirSync(whole, { recursive: true });
    else if (kind === 'link') symlinkSync(path, whole);
    else rmSync(whole, { recursive: true, force: true });
  } catch {
    // What the tree at hand does not allow changes nothing.
  }
}

function failingList(disk: FolderDisk, failing: string, code: string): FolderDisk {
  return alterDisk(disk, {
    list: (directory: DirectoryPath) =>
      directory === failing
        ? Promise.resolve({ ok: false, error: { code, message: code } })
        : disk.list(directory),
  });
}
