import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decidePrimary, type PrimaryCandidate } from './duplicate-rule.js';

const SMALL = 'AAAA';
const LARGE = 'BBBB';

const ours = (opened: number, bootId: string | undefined = 'boot'): PrimaryCandidate => ({
  dialledByUs: true,
  bootId,
  opened,
});
const theirs = (opened: number, bootId: string | undefined = 'boot'): PrimaryCandidate => ({
  dialledByUs: false,
  bootId,
  opened,
});
const unfinished = (of: PrimaryCandidate): PrimaryCandidate => ({ ...of, bootId: undefined });

describe('decidePrimary', () => {
  it.each([
    ['the first connection', undefined, ours(1), SMALL, LARGE, 'replace'],
    ['a newer one of the same dialler', theirs(1), theirs(2), SMALL, LARGE, 'replace'],
    ['an older one of the same dialler', ours(2), ours(1), SMALL, LARGE, 'keep-current'],
    ['one dialled by the smaller ID, which is ours', theirs(1), ours(2), SMALL, LARGE, 'replace'],
    ['one dialled by the smaller ID, which is theirs', ours(2), theirs(1), LARGE, SMALL, 'replace'],
    ['one dialled by the larger ID, which is ours', theirs(1), ours(2), LARGE, SMALL, 'keep-current'],
    ['one dialled by the larger ID, which is theirs', ours(1), theirs(2), SMALL, LARGE, 'keep-current'],
    ['a new run of the other program', ours(1, 'old'), theirs(2, 'new'), SMALL, LARGE, 'replace'],
    ['one in its handshake', ours(1), unfinished(ours(2)), SMALL, LARGE, 'hold'],
    ['one while a better one is in its handshake', unfinished(ours(1)), theirs(2), SMALL, LARGE, 'hold'],
    ['one while a worse one is in its handshake', unfinished(theirs(1)), ours(2), SMALL, LARGE, 'replace'],
  ] as const)('for %s', (_, current, candidate, ownId, peerId, decision) => {
    expect(decidePrimary(current, candidate, ownId, peerId)).toBe(decision);
  });

  it('lets another run of the other program replace whatever is held, in either direction', () => {
    for (const held of [ours(2, 'old'), theirs(2, 'old')]) {
      for (const fresh of [ours(1, 'new'), theirs(1, 'new')]) {
        expect(decidePrimary(held, fresh, SMALL, LARGE)).toBe('replace');
        expect(decidePrimary(held, fresh, LARGE, SMALL)).toBe('replace');
      }
    }
  });

  it('takes the candidate for the newer one when nobody counted', () => {
    const first = { dialledByUs: true, bootId: 'boot' };
    expect(decidePrimary(first, { ...first }, SMALL, LARGE)).toBe('replace');
  });

  it('leaves both sides with the same connection, in whatever order either learned of them', () => {
    interface Dialled {
      readonly by: 'small' | 'large';
      readonly opened: number;
    }
    const connections = fc
      .array(fc.constantFrom('small' as const, 'large' as const), { minLength: 1, maxLength: 6 })
      .map((diallers) => diallers.map((by, opened): Dialled => ({ by, opened })));
    const orders = connections.chain((all) =>
      fc.record({
        small: fc.shuffledSubarray(all, { minLength: all.length }),
        large: fc.shuffledSubarray(all, { minLength: all.length }),
      }),
    );
    const survivorAt = (side: 'small' | 'large', order: readonly Dialled[]): Dialled | undefined => {
      const [ownId, peerId] = side === 'small' ? [SMALL, LARGE] : [LARGE, SMALL];
      const asSeen = ({ by, opened }: Dialled) => ({ dialledByUs: by === side, bootId: 'boot', opened });
      let current: Dialled | undefined;
      for (const candidate of order) {
        const decision = decidePrimary(current && asSeen(current), asSeen(candidate), ownId, peerId);
        expect(decision).not.toBe('hold');
        if (decision === 'replace') current = candidate;
      }
      return current;
    };
    fc.assert(
      fc.property(orders, ({ small, large }) => {
        expect(survivorAt('small', small)).toBe(survivorAt('large', large));
      }),
      { numRuns: 500 },
    );
  });

  it('holds on no more than one side, so that the two do not wait for each other', () => {
    for (const [ownId, peerId] of [
      [SMALL, LARGE],
      [LARGE, SMALL],
    ] as const) {
      const whileOursIsUnfinished = decidePrimary(unfinished(ours(1)), theirs(2), ownId, peerId);
      const whileTheirsIsUnfinished = decidePrimary(unfinished(theirs(1)), ours(2), ownId, peerId);
      expect([whileOursIsUnfinished, whileTheirsIsUnfinished].sort()).toEqual(['hold', 'replace']);
    }
  });
});
