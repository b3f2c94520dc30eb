import { describe, expect, it } from 'vitest';
import { at, deleted, file, symlink } from '../testing/entries.js';
import { isNeedlessCopy } from './needless-copy.js';

/** The loser of a conflict, by device a; it lost to device b's version. */
const copy = at(file('x'), { a: 1 }, 10);

describe('isNeedlessCopy', () => {
  it.each([
    ['an edit on top of the loser', at(file('z'), { a: 1, c: 1 }, 30, { replaced: ['x'] }), true],
    ['an edit on top of such an edit', at(file('z'), { a: 1, c: 2 }, 30, { replaced: ['y', 'x'] }), true],
    ['a deletion of the loser', at(deleted, { a: 1, c: 1 }, 30, { replaced: ['x'] }), true],
    [
      'the first edit by the loser’s author after the conflict',
      at(file('z'), { b: 1, a: 2 }, 30, { replaced: ['w'] }),
      false,
    ],
    ['an edit that had not seen the loser', at(file('z'), { b: 2 }, 30, { replaced: ['w'] }), false],
    [
      'an edit that replaced the same content elsewhere',
      at(file('z'), { b: 2 }, 30, { replaced: ['x'] }),
      false,
    ],
  ])('%s: %#', (_name, winner, needless) => {
    expect(isNeedlessCopy(copy.version, winner.version)).toBe(needless);
  });

  it('leaves copies of symlinks, of which no version tells that it replaced them', () => {
    const link = at(symlink('t'), { a: 1 }, 10);
    const winner = at(file('z'), { a: 1, c: 1 }, 30);
    expect(isNeedlessCopy(link.version, winner.version)).toBe(false);
  });
});
