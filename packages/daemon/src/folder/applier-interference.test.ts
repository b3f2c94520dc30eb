import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RelativePath } from '../core/model/relative-path.js';
import type { DiskStep } from '../core/ports/folder-disk.js';
import { ApplierRig } from './applier-rig.js';
import { actBefore, refuse } from './disk-interference.js';
import { alterDisk, hashOf } from './folder-fixture.js';

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
let log: ApplierRig['log'];

beforeEach(() => {
  rig = new ApplierRig();
  ({ apply, copyOf, directory, file, folder, history, leftInTmp, move, remove, log } = rig);
});

afterEach(() => rig.folder.remove());

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
      actBefore(folder.disk, isTaken, () => folder.write('d/f', 'mine')),
    );
    expect(outcomes).toMatchObject([{ outcome: 'local-edit' }, { outcome: 'applied' }]);
    expect(folder.tree()).toEqual({ 'd/': '/', 'd/f': 'mine' });
  });

  it('wins a path that was free for a moment', async () => {
    folder.write('f', 'old');
    const tasks = [await file('f', 'theirs')];
    const outcomes = await apply(
      tasks,
      actBefore(
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
    const disk = actBefore(
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
