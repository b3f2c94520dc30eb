import { existsSync, linkSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Content, FileEntry } from '../core/model/file-entry.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ApplyOutcome, ApplyTask } from '../core/ports/applier.js';
import type { DiskStep, FileStat, FolderDisk } from '../core/ports/folder-disk.js';
import { FolderApplier } from './applier.js';
import { TestIntents } from './applier-fixture.js';
import { alterDisk, contentOf, entryOf, hashOf, makeTestFolder, type TestFolder } from './folder-fixture.js';
import type { DisplacedFile } from './history-watch.js';

const rel = (path: string) => path as RelativePath;
const DELETED: Content = { type: 'deleted' };
const DIRECTORY: Content = { type: 'directory' };

let folder: TestFolder;
let log: TestIntents;
let displaced: DisplacedFile[];

beforeEach(() => {
  folder = makeTestFolder();
  log = new TestIntents();
  displaced = [];
});

afterEach(() => folder.remove());

function applierOn(disk: FolderDisk = folder.disk): FolderApplier {
  return new FolderApplier({ disk, log, ...log.chance(), onDisplaced: (file) => displaced.push(file) });
}

/** Applies, and then does with the intents what the caller has to do. */
async function apply(tasks: readonly ApplyTask[], disk?: FolderDisk): Promise<readonly ApplyOutcome[]> {
  const outcomes = await applierOn(disk).apply(tasks);
  for (const outcome of outcomes) {
    if (outcome.outcome === 'applied' && outcome.intentId !== undefined) log.remove(outcome.intentId);
  }
  expect(log.intents()).toEqual([]);
  return outcomes;
}

async function statOf(path: string): Promise<FileStat | undefined> {
  const [stat] = await folder.disk.stat([rel(path)]);
  return stat?.ok === true ? stat.value : undefined;
}

async function task(
  path: string,
  content: Content,
  rest: Partial<ApplyTask> & Pick<ApplyTask, 'action'>,
  metadata?: Partial<FileEntry['metadata']>,
): Promise<ApplyTask> {
  return {
    path: rel(path),
    entry: entryOf(path, content, metadata),
    assumed: await statOf(path),
    verifyHash: undefined,
    displaced: { to: 'history' },
    ...rest,
  };
}

const file = (
  path: string,
  text: string,
  rest: Partial<ApplyTask> = {},
  metadata?: Partial<FileEntry['metadata']>,
) =>
  task(
    path,
    contentOf(text),
    { action: { kind: 'file', from: { kind: 'bytes', bytes: Buffer.from(text) } }, ...rest },
    metadata,
  );
const remove = (path: string, rest: Partial<ApplyTask> = {}) =>
  task(path, DELETED, { action: { kind: 'remove' }, ...rest });
const directory = (path: string, rest: Partial<ApplyTask> = {}) =>
  task(path, DIRECTORY, { action: { kind: 'directory' }, ...rest });
const symlink = (path: string, target: string) =>
  task(path, { type: 'symlink', target }, { action: { kind: 'symlink', target } });
const move = async (from: string, path: string, text: string, rest: Partial<ApplyTask> = {}) => {
  const fromStat = await folder.stat(from);
  const metadata = { mtimeNs: fromStat.mtimeNs, mode: fromStat.mode };
  const fromEntry = entryOf(from, contentOf(text), metadata);
  return task(
    path,
    contentOf(text),
    { action: { kind: 'move', from: rel(from), fromStat, fromEntry }, ...rest },
    metadata,
  );
};
const copyOf = (text: string): ApplyTask['displaced'] => ({
  to: 'copy',
  entry: entryOf('f.copy', contentOf(text)),
});
/** Contents of all history, without the names of batches. */
const history = () =>
  Object.fromEntries(
    Object.entries(folder.area())
      .filter(([path]) => /^history\/[^/]+\/./.test(path))
      .map(([path, text]) => [path.split('/').slice(2).join('/'), text]),
  );
const leftInTmp = () =>
  Object.keys(folder.area()).filter((path) => path.startsWith('tmp/') && path !== 'tmp/');

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
    await apply([await task('d', DIRECTORY, { action: { kind: 'directory' } }, { mode: 0o500 })]);
    expect(await statOf('d')).toMatchObject({ mode: 0o700 });
  });
});

describe('what a person did meanwhile', () => {
  it('stays where it is', async () => {
    for (const path of ['edited', 'removed', 'kept']) folder.write(path, 'old');
    const tasks = [
      await file('edited', 'theirs'),
      await file('removed', 'theirs'),
      await file('new', 'theirs'),
      await remove('kept'),
    ];
    folder.write('edited', 'mine, edited');
    rmSync(join(folder.root, 'removed'));
    folder.write('new', 'mine, new');
    folder.write('kept', 'mine, kept');
    expect((await apply(tasks)).map(({ outcome }) => outcome)).toEqual(Array(4).fill('local-edit'));
    expect(folder.tree()).toEqual({ edited: 'mine, edited', kept: 'mine, kept', new: 'mine, new' });
    expect(history()).toEqual({});
    expect(leftInTmp()).toEqual([]);
  });

  it('is found also where only the content tells', async () => {
    folder.write('f', 'mine');
    const outcomes = await apply([await file('f', 'theirs', { verifyHash: hashOf('what was hashed') })]);
    expect(outcomes).toEqual([{ outcome: 'local-edit' }]);
    expect(folder.tree()).toEqual({ f: 'mine' });
  });

  it('keeps its directory', async () => {
    mkdirSync(join(folder.root, 'd'));
    const tasks = [await remove('d'), await file('d', 'theirs')];
    folder.write('d/mine', 'x');
    const outcomes = await apply(tasks);
    expect(outcomes).toMatchObject([
      { outcome: 'failed', problem: { code: 'directory-not-empty', path: 'd' } },
      { outcome: 'failed', problem: { code: 'directory-not-empty' } },
    ]);
    expect(folder.tree()).toEqual({ 'd/': '/', 'd/mine': 'x' });
  });

  it('is as good where it is the same', async () => {
    folder.write('f', 'x');
    const tasks = [await remove('f'), await directory('d')];
    rmSync(join(folder.root, 'f'));
    mkdirSync(join(folder.root, 'd'));
    expect(await apply(tasks)).toMatchObject([
      { outcome: 'applied', stat: undefined },
      { outcome: 'applied', stat: { type: 'directory' } },
    ]);
  });

  it('comes back with its directory when that was removed at the same moment', async () => {
    folder.write('d/f', 'old');
    const tasks = [await remove('d/f'), await remove('d')];
    // Edited after the first look at it, before it was taken away.
    const isTaken = (step: DiskStep) => step.op === 'rename' && 'entry' in step.from;
    const outcomes = await apply(
      tasks,
      before(folder.disk, isTaken, () => folder.write('d/f', 'mine')),
    );
    expect(outcomes).toMatchObject([{ outcome: 'local-edit' }, { outcome: 'applied' }]);
    expect(folder.tree()).toEqual({ 'd/': '/', 'd/f': 'mine' });
  });

  it('wins a path that was free for a moment', async () => {
    folder.write('f', 'old');
    const tasks = [await file('f', 'theirs')];
    const outcomes = await apply(
      tasks,
      before(
        folder.disk,
        ({ op }) => op === 'link-temp',
        () => folder.write('f', 'born'),
      ),
    );
    expect(outcomes).toEqual([{ outcome: 'local-edit' }]);
    expect(folder.tree()).toEqual({ f: 'born' });
    expect(history()).toEqual({ f: 'old' });
    expect(log.history).toMatchObject([{ path: 'f', reason: 'replaced' }]);
  });

  it('is not lost where both the old and the new are a person’s', async () => {
    folder.write('f', 'old');
    const tasks = [await file('f', 'theirs')];
    let isFirst = true;
    const disk = before(
      folder.disk,
      ({ op }) => op === 'rename',
      () => {
        folder.write('f', isFirst ? 'edited' : 'born');
        isFirst = false;
      },
    );
    expect(await apply(tasks, disk)).toEqual([{ outcome: 'local-edit' }]);
    const { f, ...rescued } = folder.tree();
    expect([f, Object.values(rescued)]).toEqual(['born', ['edited']]);
    expect(Object.keys(rescued)[0]).toMatch(/^f\.sync-conflict-/);
  });

  it('makes the source of a move something else', async () => {
    for (const path of ['edited', 'same-stat', 'gone']) folder.write(path, 'text');
    const tasks = [
      await move('edited', 'a', 'text'),
      await move('same-stat', 'b', 'other text'),
      await move('gone', 'c', 'text'),
    ];
    folder.write('edited', 'mine');
    rmSync(join(folder.root, 'gone'));
    expect(await apply(tasks)).toEqual(Array(3).fill({ outcome: 'source-gone' }));
    expect(folder.tree()).toEqual({ edited: 'mine', 'same-stat': 'text' });
    expect(leftInTmp()).toEqual([]);
  });

  it('puts the source of a move back where the target is taken', async () => {
    folder.write('from', 'text');
    const tasks = [await move('from', 'to', 'text')];
    folder.write('to', 'mine');
    expect(await apply(tasks)).toEqual([{ outcome: 'local-edit' }]);
    expect(folder.tree()).toEqual({ from: 'text', to: 'mine' });
  });

  it('shows as a change on top where it came right after', async () => {
    const tasks = [await file('f', 'theirs')];
    const disk = alterDisk(folder.disk, {
      run: async (items) => {
        const results = await folder.disk.run(items);
        if (!items.some((steps) => steps.some(({ op }) => op === 'link-temp'))) return results;
        folder.write('f', 'theirs, and mine');
        const [stat] = await folder.disk.run([[{ op: 'stat', at: { entry: rel('f') } }]]);
        return stat === undefined ? results : [stat];
      },
    });
    const [outcome] = await apply(tasks, disk);
    expect(outcome).toMatchObject({ outcome: 'applied', stat: { mtimeNs: 0n } });
  });
});

describe('a disk that refuses', () => {
  const refusals = [
    { code: 'ENOSPC', problem: 'disk-full', disk: 'full' },
    { code: 'EACCES', problem: 'permission-denied', disk: 'ok' },
    { code: 'EIO', problem: 'io-error', disk: 'ok' },
  ].flatMap((refusal) =>
    (['write-temp', 'make-area', 'expect', 'rename', 'link-temp'] as const).map((op) => ({ ...refusal, op })),
  );
  it.each(refusals)('fails what it refuses and puts back what was taken: $code from $op', async (refusal) => {
    for (const path of ['a', 'b', 'c']) folder.write(path, 'old');
    const tasks = [
      await file('a', 'new'),
      await file('b', 'new', { displaced: copyOf('old') }),
      await remove('c'),
      await move('c', 'd', 'old'),
    ];
    const outcomes = await apply(
      tasks,
      refuse(folder.disk, ({ op }) => op === refusal.op, refusal.code),
    );
    const failed = outcomes.filter(({ outcome }) => outcome === 'failed');
    expect(failed.length).toBeGreaterThan(0);
    for (const outcome of failed) {
      expect(outcome).toMatchObject({ problem: { code: refusal.problem }, disk: refusal.disk });
    }
    const expected: Record<string, string> = {};
    for (const [i, path] of ['a', 'b'].entries()) {
      expected[path] = outcomes[i]?.outcome === 'applied' ? 'new' : 'old';
    }
    if (outcomes[1]?.outcome === 'applied') expected['f.copy'] = 'old';
    if (outcomes[2]?.outcome !== 'applied' && outcomes[3]?.outcome !== 'applied') expected.c = 'old';
    if (outcomes[3]?.outcome === 'applied') expected.d = 'old';
    expect(folder.tree()).toEqual(expected);
    expect(leftInTmp()).toEqual([]);
  });

  it('says that a name is too long for it', async () => {
    const [outcome] = await apply([await file('x'.repeat(256), 'x')]);
    expect(outcome).toMatchObject({ outcome: 'failed', problem: { code: 'unplaceable' } });
    expect(leftInTmp()).toEqual([]);
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

/** Does something right before each step of that kind. */
function before(disk: FolderDisk, isIt: (step: DiskStep) => boolean, act: () => void): FolderDisk {
  return stepByStep(disk, (step) => {
    if (isIt(step)) act();
    return undefined;
  });
}

function refuse(disk: FolderDisk, isIt: (step: DiskStep) => boolean, code: string): FolderDisk {
  const done = new Set<string>();
  return stepByStep(disk, (step) => {
    // Once for each path: putting back is to work.
    const name = JSON.stringify(step, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
    if (!isIt(step) || done.has(name)) return undefined;
    done.add(name);
    return code;
  });
}

function stepByStep(disk: FolderDisk, decide: (step: DiskStep) => string | undefined): FolderDisk {
  return alterDisk(disk, {
    run: async (items) => {
      const results = [];
      for (const steps of items) {
        const done = [];
        for (const step of steps) {
          const code = decide(step);
          const result =
            code === undefined
              ? (await disk.run([[step]]))[0]?.[0]
              : { ok: false as const, error: { code, message: code } };
          if (result === undefined) break;
          done.push(result);
          if (!result.ok) break;
        }
        results.push(done);
      }
      return results;
    },
  });
}
