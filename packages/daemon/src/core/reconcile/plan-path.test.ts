import { describe, expect, it } from 'vitest';
import type { FileEntry } from '../model/file-entry.js';
import type { Held } from '../ports/content-index.js';
import {
  asPath,
  at,
  deleted,
  directory,
  fakeBlake3,
  file,
  heldOf,
  rowOf,
  statOf,
  symlink,
  withMetadata,
} from '../testing/entries.js';
import { conflictCopyOf } from './conflict-copy.js';
import { mergeRemote } from './merge-remote.js';
import { type PathPlan, planPath } from './plan-path.js';

const byB = { by: 'b' };
const X = at(file('x'), { a: 1 }, 10);
const X_JOINED = at(file('x'), { a: 1, b: 1 }, 20, byB);
const FOUND_X = at(file('x'), { c: 1 }, 10, { found: true });
const Y = at(file('y'), { a: 1, b: 1 }, 20, byB);
const Y_APART = at(file('y'), { b: 1 }, 20);
const Y_OVER_X = at(file('y'), { b: 9 }, 20, { replaced: ['w', 'x'] });
const GONE = at(deleted, { a: 1, b: 1 }, 20, byB);
const GONE_APART = at(deleted, { b: 1 }, 20);
const GONE_OVER_X = at(deleted, { b: 9 }, 20, { replaced: ['x'] });
const DIR = at(directory, { a: 1 }, 10);
const DIR_APART = at(directory, { b: 1 }, 20);
const LINK = at(symlink('t'), { a: 1 }, 10);
/** A directory that stands for what is below it alone. */
const IMPLICIT = heldOf(GONE, 'directory');

type Row = readonly [
  name: string,
  known: FileEntry | undefined,
  held: Held | undefined,
  plan: PathPlan['kind'],
  /** Where what stands there goes. */
  displaced?: 'history' | 'copy of held' | 'copy of known',
];

const apart: readonly Row[] = [
  ['nothing known, nothing there', undefined, undefined, 'settled'],
  ['what is known stands there', X, heldOf(X), 'settled'],
  ['a new file', X, undefined, 'file', 'history'],
  ['a new directory', DIR, undefined, 'directory', 'history'],
  ['a new symlink', LINK, undefined, 'symlink', 'history'],
  ['a deletion of what never was here', GONE, undefined, 'settled'],
  ['an edit that had seen what is here', Y, heldOf(X), 'file', 'history'],
  ['an edit that had not seen what is here', Y_APART, heldOf(X), 'file', 'copy of held'],
  ['a deletion that had seen what is here', GONE, heldOf(X), 'remove', 'history'],
  ['a deletion that had not seen what is here', GONE_APART, heldOf(X), 'remove', 'copy of held'],
  ['a directory for a file that it had not seen', DIR_APART, heldOf(X), 'directory', 'copy of held'],
  [
    'a symlink for a file that it had not seen',
    at(symlink('t'), { b: 1 }, 20),
    heldOf(X),
    'symlink',
    'copy of held',
  ],
  ['a file for an unseen directory: directories get no copy', Y_APART, heldOf(DIR), 'file', 'history'],
  ['a file for an unseen symlink', Y_APART, heldOf(LINK), 'file', 'copy of held'],
  ['a deletion of a directory', GONE, heldOf(DIR), 'remove', 'history'],
  ['a found file whose content the winner replaced', Y_OVER_X, heldOf(FOUND_X), 'file', 'history'],
  ['a found file whose content a deletion replaced', GONE_OVER_X, heldOf(FOUND_X), 'remove', 'history'],
  ['a found file that nobody replaced', Y_APART, heldOf(FOUND_X), 'file', 'copy of held'],
  ['an authored file is not seen by its hash alone', Y_OVER_X, heldOf(X), 'file', 'copy of held'],
  [
    'one vector for two contents: none had seen the other',
    at(file('y'), { a: 1 }, 20),
    heldOf(X),
    'file',
    'copy of held',
  ],
  ['equal content in another version', X_JOINED, heldOf(X), 'adopt'],
  ['another mtime', withMetadata(X, 30, { mtimeNs: 7n }), heldOf(X), 'metadata'],
  ['another executable bit', withMetadata(X, 30, { executable: true }), heldOf(X), 'metadata'],
  ['another stamp on equal metadata', withMetadata(X, 30), heldOf(X), 'adopt'],
  ['another mtime of a directory is nobody’s', withMetadata(DIR, 30, { mtimeNs: 7n }), heldOf(DIR), 'adopt'],
  [
    'another executable bit of a directory',
    withMetadata(DIR, 30, { executable: true }),
    heldOf(DIR),
    'metadata',
  ],
  ['another mtime of a symlink', withMetadata(LINK, 30, { mtimeNs: 7n }), heldOf(LINK), 'adopt'],
  [
    'another mode',
    withMetadata(X, 30, { mode: 0o600 }),
    heldOf(withMetadata(X, 10, { mode: 0o644 })),
    'metadata',
  ],
  [
    'no mode on the author’s system',
    withMetadata(X, 30),
    heldOf(withMetadata(X, 10, { mode: 0o644 })),
    'adopt',
  ],
  ['an implicit directory that is needed no more', GONE, IMPLICIT, 'remove', 'history'],
  ['an implicit directory that became a real one', DIR_APART, IMPLICIT, 'adopt'],
  ['a file that is shadowed no more', Y, heldOf(Y, 'directory'), 'file', 'history'],
];

const withLiveBelow: readonly Row[] = [
  ['a directory', DIR, heldOf(DIR), 'settled'],
  ['a deleted directory', GONE, heldOf(DIR), 'keep-as-implicit-directory'],
  ['an implicit directory', GONE, IMPLICIT, 'settled'],
  ['a deleted path where nothing stands', GONE, undefined, 'directory', 'history'],
  ['an unknown path where nothing stands', undefined, undefined, 'directory', 'history'],
  ['a deleted file that stands', GONE, heldOf(X), 'directory', 'history'],
  ['an unseen file that was deleted', GONE_APART, heldOf(X), 'directory', 'copy of held'],
  ['a file that won a directory', Y, heldOf(DIR), 'shadowed', 'history'],
  ['a file where nothing stands', Y, undefined, 'shadowed', 'history'],
  ['a file that stands', X, heldOf(X), 'shadowed', 'copy of known'],
  ['a file for an unseen file', Y_APART, heldOf(X), 'shadowed', 'copy of held'],
  ['a file that is shadowed already', Y, heldOf(Y, 'directory'), 'settled'],
  ['a symlink that won a directory', LINK, heldOf(DIR_APART), 'shadowed', 'history'],
];

function check([, known, held, kind, displaced]: Row, hasLiveBelow: boolean): void {
  const plan = planPath(rowOf('p', known, held), {
    hasLiveBelow,
    blake3: fakeBlake3,
    knownAt: () => undefined,
  });
  expect(plan.kind).toBe(kind);
  if (plan.kind !== 'settled' && known !== undefined) expect(plan.entry).toBe(known);
  const copied = displaced === 'copy of known' ? known : held && { ...held, path: asPath('p') };
  const where =
    displaced?.startsWith('copy') && copied
      ? { to: 'copy', entry: conflictCopyOf(copied, fakeBlake3) }
      : displaced && { to: 'history' };
  expect('displaced' in plan ? plan.displaced : undefined).toEqual(where);
}

describe('planPath', () => {
  it.each(apart.map((row) => [row[0], row] as const))('%s', (_name, row) => check(row, false));
  it.each(withLiveBelow.map((row) => [row[0], row] as const))('with something live below: %s', (_name, row) =>
    check(row, true),
  );

  it('says whether the directory of a shadowed file stands, and what its copy is', () => {
    const context = { hasLiveBelow: true, blake3: fakeBlake3, knownAt: () => undefined };
    const copy = conflictCopyOf(Y, fakeBlake3);
    expect(planPath(rowOf('p', Y, heldOf(DIR)), context)).toMatchObject({ directoryStands: true, copy });
    expect(planPath(rowOf('p', Y), context)).toMatchObject({ directoryStands: false, copy });
  });

  it('makes an unknown directory of a version that every real one follows', () => {
    const plan = planPath(rowOf('p', undefined), {
      hasLiveBelow: true,
      blake3: fakeBlake3,
      knownAt: () => undefined,
    });
    if (plan.kind !== 'directory') throw new Error(plan.kind);
    expect(plan.implicit).toBe(true);
    const oldest = at(file('x'), { a: 1 }, 0, { found: true });
    expect(mergeRemote(rowOf('p', plan.entry), oldest, { nowMs: 1 }).verdict).toBe('adopted');
    const held: Held = { ...heldOf(plan.entry), stat: statOf('directory') };
    const planned = (hasLiveBelow: boolean) =>
      planPath(rowOf('p', undefined, held), { hasLiveBelow, blake3: fakeBlake3, knownAt: () => undefined })
        .kind;
    expect(planned(true)).toBe('settled');
    expect(planned(false)).toBe('remove');
  });
});
