import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Content } from '../core/model/file-entry.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { ApplyTask } from '../core/ports/applier.js';
import type { FileStat, FolderDisk } from '../core/ports/folder-disk.js';
import { FolderApplier } from './applier.js';
import { TestIntents } from './applier-fixture.js';
import { stepByStep } from './disk-interference.js';
import { alterDisk, contentOf, entryOf, makeTestFolder, type TestFolder } from './folder-fixture.js';

/** A crash: nothing after it happens. */
class Crash extends Error {}

/** Lets so many steps and commits happen, each by itself, and then no more. */
class Fuse {
  steps = 0;

  constructor(readonly limit = Number.POSITIVE_INFINITY) {}

  burn(): void {
    if (this.steps >= this.limit) throw new Crash();
    this.steps++;
  }

  disk(disk: FolderDisk): FolderDisk {
    const fused = stepByStep(disk, () => {
      this.burn();
      return undefined;
    });
    return alterDisk(fused, {
      flushDirectories: async (directories) => {
        this.burn();
        return disk.flushDirectories(directories);
      },
    });
  }
}

const rel = (path: string) => path as RelativePath;
const file = (text: string): Content => contentOf(text);
const DELETED: Content = { type: 'deleted' };
const DIRECTORY: Content = { type: 'directory' };

interface Job {
  readonly path: string;
  readonly to: Content;
  readonly text?: string;
  readonly movesFrom?: string;
  readonly copy?: string;
}

interface Scenario {
  readonly name: string;
  readonly before: Record<string, string>;
  readonly jobs: readonly Job[];
  readonly after: Record<string, string>;
}

const scenarios: Scenario[] = [
  {
    name: 'files made, replaced and removed',
    before: { old: 'old', 'd/': '/', 'd/gone': 'gone' },
    jobs: [
      { path: 'new', to: file('new'), text: 'new' },
      { path: 'old', to: file('newer'), text: 'newer' },
      { path: 'd/gone', to: DELETED },
      { path: 'd', to: DELETED },
    ],
    after: { new: 'new', old: 'newer' },
  },
  {
    name: 'a conflict',
    before: { f: 'mine', g: 'mine too', h: 'and mine' },
    jobs: [
      { path: 'f', to: file('theirs'), text: 'theirs', copy: 'f.copy' },
      { path: 'g', to: DELETED, copy: 'g.copy' },
      { path: 'h', to: { type: 'symlink', target: 'x' }, copy: 'h.copy' },
    ],
    after: { f: 'theirs', 'f.copy': 'mine', 'g.copy': 'mine too', h: '-> x', 'h.copy': 'and mine' },
  },
  {
    name: 'files and directories changing places',
    before: { a: 'file', 'b/': '/', l: '-> old', m: '-> keep' },
    jobs: [
      { path: 'a', to: DIRECTORY },
      { path: 'a/in', to: file('inside'), text: 'inside' },
      { path: 'b', to: file('now a file'), text: 'now a file' },
      { path: 'l', to: { type: 'symlink', target: 'new' } },
      { path: 'm', to: DIRECTORY },
    ],
    after: { 'a/': '/', 'a/in': 'inside', b: 'now a file', l: '-> new', 'm/': '/' },
  },
  {
    name: 'moves, onto nothing and onto a file',
    before: { one: 'first', two: 'second', 'd/': '/', 'd/two': 'in the way' },
    jobs: [
      { path: 'd/one', to: file('first'), movesFrom: 'one' },
      { path: 'd/two', to: file('second'), movesFrom: 'two' },
    ],
    after: { 'd/': '/', 'd/one': 'first', 'd/two': 'second' },
  },
];

describe.each(scenarios)('a crash in the middle of $name', (scenario) => {
  it('leaves every path old or new, loses nothing, and is made good, wherever it comes', async () => {
    const whole = new Fuse();
    await withScenario(scenario, async (folder, log) => {
      await applyJobs(folder, log, scenario.jobs, whole);
      expect(folder.tree()).toEqual(scenario.after);
    });
    expect(whole.steps).toBeGreaterThan(10);
    for (let limit = 0; limit < whole.steps; limit++) {
      await withScenario(scenario, async (folder, log) => {
        await expect(applyJobs(folder, log, scenario.jobs, new Fuse(limit))).rejects.toThrow(Crash);
        await recoverAndGoOn(scenario, folder, log, new Fuse());
      });
    }
  });

  it('is made good also when recovering crashes in turn', async () => {
    const whole = new Fuse();
    await withScenario(scenario, (folder, log) => applyJobs(folder, log, scenario.jobs, whole));
    for (let limit = 1; limit < whole.steps; limit += 2) {
      for (let second = 0; ; second += 3) {
        let isOver = false;
        await withScenario(scenario, async (folder, log) => {
          await expect(applyJobs(folder, log, scenario.jobs, new Fuse(limit))).rejects.toThrow(Crash);
          const fuse = new Fuse(second);
          try {
            await applierOn(folder, log, fuse).recover();
            isOver = true;
          } catch (error) {
            expect(error).toBeInstanceOf(Crash);
          }
          await recoverAndGoOn(scenario, folder, log, new Fuse());
        });
        if (isOver) break;
      }
    }
  });

  it.each(['anew', 'in place'])('keeps what a person writes before the restart, %s', async (how) => {
    const whole = new Fuse();
    await withScenario(scenario, (folder, log) => applyJobs(folder, log, scenario.jobs, whole));
    for (let limit = 0; limit < whole.steps; limit += 2) {
      await withScenario(scenario, async (folder, log) => {
        await expect(applyJobs(folder, log, scenario.jobs, new Fuse(limit))).rejects.toThrow(Crash);
        const written = scenario.jobs.flatMap(({ path }) => (writeAs(how, folder, path) ? [path] : []));
        const recovered = await applierOn(folder, log, new Fuse()).recover();
        const tree = folder.tree();
        for (const path of written) expect(Object.values(tree)).toContain(writtenTo(path));
        const everywhere = [...Object.values(tree), ...Object.values(folder.area())];
        for (const { text, path } of textsOf(scenario.before)) {
          // What the person wrote over is gone by the person's own doing, under its new path as well.
          const places = [
            path,
            ...scenario.jobs.flatMap((job) => (job.movesFrom === path ? [job.path] : [])),
          ];
          if (!places.some((place) => written.includes(place))) expect(everywhere).toContain(text);
        }
        for (const { path, stat } of recovered) {
          // Held is what was placed: a change on top has to be seen as one.
          if (tree[path] === writtenTo(path)) expect(stat?.mtimeNs).toBe(0n);
        }
      });
    }
  });
});

const writtenTo = (path: string) => `written to ${path}`;

function writeAs(how: string, folder: TestFolder, path: string): boolean {
  const whole = join(folder.root, path);
  if (lstatSync(dirname(whole), { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  const type = lstatSync(whole, { throwIfNoEntry: false });
  if (type?.isDirectory() === true) return false;
  if (how === 'in place' && type?.isFile() !== true) return false;
  if (how === 'anew') rmSync(whole, { force: true });
  folder.write(path, writtenTo(path));
  return true;
}

async function withScenario(
  { before }: Scenario,
  use: (folder: TestFolder, log: TestIntents) => Promise<void>,
): Promise<void> {
  // Thousands of folders are made: in memory where there is such a place.
  const folder = makeTestFolder({ threads: 0 }, existsSync('/dev/shm') ? '/dev/shm' : undefined);
  try {
    for (const [path, text] of Object.entries(before)) {
      if (text === '/') mkdirSync(join(folder.root, path), { recursive: true });
      else if (text.startsWith('-> ')) symlinkSync(text.slice(3), join(folder.root, path));
      else folder.write(path, text);
    }
    await use(folder, new TestIntents());
  } finally {
    await folder.remove();
  }
}

function applierOn(folder: TestFolder, log: TestIntents, fuse: Fuse): FolderApplier {
  const fused = {
    intents: () => log.intents(),
    transact: <T>(work: Parameters<typeof log.transact<T>>[0]) => {
      fuse.burn();
      return log.transact(work);
    },
  };
  return new FolderApplier({ disk: fuse.disk(folder.disk), log: fused, ...log.chance() });
}

async function applyJobs(
  folder: TestFolder,
  log: TestIntents,
  jobs: readonly Job[],
  fuse: Fuse,
): Promise<void> {
  const tasks: ApplyTask[] = [];
  for (const job of jobs) tasks.push(await toTask(folder, job));
  const outcomes = await applierOn(folder, log, fuse).apply(tasks);
  // The caller's transaction.
  fuse.burn();
  for (const outcome of outcomes) {
    expect(outcome.outcome).toBe('applied');
    if (outcome.outcome === 'applied' && outcome.intentId !== undefined) log.remove(outcome.intentId);
  }
}

async function toTask(folder: TestFolder, { path, to, text, movesFrom, copy }: Job): Promise<ApplyTask> {
  const assumed = await statOf(folder, path);
  const before = folder.tree()[path] ?? '';
  return {
    path: rel(path),
    entry: entryOf(path, to),
    assumed,
    verifyHash: undefined,
    action: await toAction(folder, to, text, movesFrom),
    displaced:
      copy === undefined ? { to: 'history' } : { to: 'copy', entry: entryOf(copy, contentOf(before)) },
  };
}

async function toAction(
  folder: TestFolder,
  to: Content,
  text?: string,
  from?: string,
): Promise<ApplyTask['action']> {
  if (from !== undefined) {
    const fromEntry = entryOf(from, contentOf(folder.read(from)));
    return { kind: 'move', from: rel(from), fromStat: await folder.stat(from), fromEntry };
  }
  if (to.type === 'file') return { kind: 'file', from: { kind: 'bytes', bytes: Buffer.from(text ?? '') } };
  if (to.type === 'symlink') return { kind: 'symlink', target: to.target };
  return { kind: to.type === 'deleted' ? 'remove' : 'directory' };
}

/** What the start after a crash does: recovers, holds what was finished, and applies the rest again. */
async function recoverAndGoOn(
  scenario: Scenario,
  folder: TestFolder,
  log: TestIntents,
  fuse: Fuse,
): Promise<void> {
  const applier = applierOn(folder, log, fuse);
  const recovered = await applier.recover();
  expect(await applier.recover()).toEqual(recovered);
  for (const { path, stat, intentId, copy } of recovered) {
    expect(stat).toEqual(await statOf(folder, path));
    if (copy !== undefined) expect(copy.stat).toEqual(await statOf(folder, copy.entry.path));
    log.remove(intentId);
  }
  expect(log.intents()).toEqual([]);
  const finished = new Set<string>(recovered.map(({ path }) => path));
  const tree = folder.tree();
  for (const { path, to, movesFrom } of scenario.jobs) {
    // What was not finished stands as it stood, or the next scan would take it for a person's doing.
    const name = to.type === 'directory' && finished.has(path) ? `${path}/` : path;
    if (finished.has(path)) expect(tree[name]).toBe(scenario.after[name]);
    else
      expect([path, tree[path], tree[`${path}/`]]).toEqual([
        path,
        scenario.before[path],
        scenario.before[`${path}/`],
      ]);
    if (movesFrom !== undefined)
      expect(tree[movesFrom]).toBe(finished.has(path) ? undefined : scenario.before[movesFrom]);
  }
  const everywhere = [...Object.values(tree), ...Object.values(folder.area())];
  for (const { text } of textsOf(scenario.before)) expect(everywhere).toContain(text);
  expect(Object.keys(folder.area()).filter((path) => path.startsWith('tmp/'))).toEqual(['tmp/']);
  await applyJobs(
    folder,
    log,
    scenario.jobs.filter(({ path }) => !finished.has(path)),
    new Fuse(),
  );
  expect(folder.tree()).toEqual(scenario.after);
}

function textsOf(tree: Record<string, string>): { path: string; text: string }[] {
  return Object.entries(tree).flatMap(([path, text]) => (text === '/' ? [] : [{ path, text }]));
}

async function statOf(folder: TestFolder, path: string): Promise<FileStat | undefined> {
  const [stat] = await folder.disk.stat([rel(path)]);
  return stat?.ok === true ? stat.value : undefined;
}
