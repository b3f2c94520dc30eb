import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RelativePath } from '../core/model/relative-path.js';
import { asPath } from '../core/testing/entries.js';
import { PathLocks } from './path-locks.js';

test('a lock is for one, and who asked is told once when it is free', () => {
  const freed: RelativePath[][] = [];
  const locks = new PathLocks((paths) => freed.push([...paths]));
  const [a, b] = [asPath('a'), asPath('b')];
  expect([locks.tryLock(a), locks.tryLock(a), locks.tryLock(b)]).toEqual([true, false, true]);
  locks.awaitFree(a);
  locks.awaitFree(a);
  locks.unlock([a, b]);
  expect(freed).toEqual([[a]]);
  expect(locks.has(a)).toBe(false);
  locks.unlock([a]);
  expect(freed).toHaveLength(1);
});

test('whoever asks for a path that is free is told at once', () => {
  const freed: RelativePath[][] = [];
  const locks = new PathLocks((paths) => freed.push([...paths]));
  locks.awaitFree(asPath('a'));
  expect(freed).toEqual([['a']]);
});

test('nobody waits in vain, and nobody is told while the path is locked', () => {
  const path = fc.constantFrom('a', 'b', 'c').map(asPath);
  const step = fc.oneof(
    fc.record({ do: fc.constant('lock' as const), path }),
    fc.record({ do: fc.constant('unlock' as const), path }),
    fc.record({ do: fc.constant('await' as const), path }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const waiting = new Set<RelativePath>();
      const locks = new PathLocks((paths) => {
        for (const each of paths) {
          expect(locks.has(each)).toBe(false);
          waiting.delete(each);
        }
      });
      for (const { do: what, path: each } of steps) {
        if (what === 'lock') locks.tryLock(each);
        else if (what === 'unlock') locks.unlock([each]);
        else {
          waiting.add(each);
          locks.awaitFree(each);
        }
      }
      locks.unlock(['a', 'b', 'c'].map(asPath));
      expect([...waiting]).toEqual([]);
    }),
  );
});
