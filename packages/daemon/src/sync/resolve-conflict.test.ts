import { describe, expect, it } from 'vitest';
import type { FolderId } from '../core/model/identifiers.js';
import { asPath, entryOf, file, heldOf, rowOf, symlink } from '../core/testing/entries.js';
import { MemoryIndex } from '../index/memory-index.js';
import type { LocalEdit, LocalEditOutcome } from './local-edits.js';
import { resolveConflict } from './resolve-conflict.js';

const [original, copy] = [asPath('plan.md'), asPath('plan.copy.md')];
const signal = new AbortController().signal;
const link = entryOf(copy, { content: symlink('elsewhere'), vector: { b: 1 }, at: 2 });
const text = entryOf(copy, { content: file('theirs'), vector: { b: 1 }, at: 2 });

function rig(entry = text, outcome: (edit: LocalEdit) => LocalEditOutcome | undefined = () => undefined) {
  let byte = 0;
  const index = new MemoryIndex('f' as FolderId, (count) => new Uint8Array(count).fill(byte++));
  index.transact((tx) => tx.put(rowOf(copy, entry, heldOf(entry))));
  const edits: LocalEdit[] = [];
  const perform = async (edit: LocalEdit): Promise<LocalEditOutcome> => {
    edits.push(edit);
    return outcome(edit) ?? { outcome: 'done', displaced: undefined };
  };
  return { index, edits: { perform }, done: edits };
}

describe('resolving', () => {
  it('places first, and removes the copy after that', async () => {
    const { done, ...deps } = rig();
    const problem = await resolveConflict([{ kind: 'replace', copy, original }], deps, signal);
    expect(problem).toBeUndefined();
    const from = { kind: 'copy', path: copy };
    expect(done).toMatchObject([
      { path: original, content: file('theirs'), action: { kind: 'file', from } },
      { path: copy, content: { type: 'deleted' }, action: { kind: 'remove' } },
    ]);
  });

  it('makes a link anew', async () => {
    const { done, ...deps } = rig(link);
    await resolveConflict([{ kind: 'rename', copy, to: asPath('x') }], deps, signal);
    expect(done[0]).toMatchObject({ path: 'x', action: { kind: 'symlink', target: 'elsewhere' } });
  });

  it('removes nothing where placing failed', async () => {
    for (const outcome of [
      { outcome: 'source-gone' },
      { outcome: 'failed', problem: { path: original, code: 'io-error', text: 'no' } },
    ] as const) {
      const { done, ...deps } = rig(text, () => outcome);
      const problem = await resolveConflict([{ kind: 'replace', copy, original }], deps, signal);
      expect(problem).toBeDefined();
      expect(done).toHaveLength(1);
    }
  });

  it('says that a copy is gone meanwhile', async () => {
    const { done, ...deps } = rig();
    const problem = await resolveConflict([{ kind: 'remove', copy: asPath('gone') }], deps, signal);
    expect(problem).toMatchObject({ path: 'gone' });
    expect(done).toEqual([]);
  });
});
