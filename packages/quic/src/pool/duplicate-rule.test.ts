import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decidePrimary, type PrimaryCandidate } from './duplicate-rule.js';

const [SMALL, LARGE] = ['AAAA', 'BBBB'];

function candidate(dialledByUs: boolean, bootId: string | undefined, opened?: number): PrimaryCandidate {
  return opened === undefined ? { dialledByUs, bootId } : { dialledByUs, bootId, opened };
}

describe('decidePrimary', () => {
  it('takes the first', () => {
    expect(decidePrimary(undefined, candidate(true, 'b1'), SMALL, LARGE)).toBe('replace');
  });

  it('lets another run of the peer replace whatever is held, in either direction', () => {
    for (const held of [true, false]) {
      for (const fresh of [true, false]) {
        expect(decidePrimary(candidate(held, 'b1'), candidate(fresh, 'b2'), SMALL, LARGE)).toBe('replace');
      }
    }
  });

  it('lets the newer of two from the same dialler stay', () => {
    expect(decidePrimary(candidate(true, 'b', 1), candidate(true, 'b', 2), SMALL, LARGE)).toBe('replace');
    expect(decidePrimary(candidate(false, 'b', 2), candidate(false, 'b', 1), SMALL, LARGE)).toBe(
      'keep-current',
    );
  });

  it('keeps, of two in opposite directions, the one dialled by the smaller ID', () => {
    expect(decidePrimary(candidate(true, 'b'), candidate(false, 'b'), SMALL, LARGE)).toBe('keep-current');
    expect(decidePrimary(candidate(true, 'b'), candidate(false, 'b'), LARGE, SMALL)).toBe('replace');
  });

  it('lets nothing in its handshake replace anything', () => {
    expect(decidePrimary(candidate(false, 'b'), candidate(true, undefined), SMALL, LARGE)).toBe('hold');
  });

  it('leaves both sides with the same connection, in whatever order either learns of them', () => {
    // Each connection: who dialled it, and the order in which the two were opened.
    const connection = fc.record({ dialledBySmall: fc.boolean() });
    fc.assert(
      fc.property(connection, connection, fc.boolean(), fc.boolean(), (x, y, swapSmall, swapLarge) => {
        const both = [
          { ...x, name: 'x', opened: 1 },
          { ...y, name: 'y', opened: 2 },
        ];
        const survivors = [
          { own: SMALL, peer: LARGE, swap: swapSmall },
          { own: LARGE, peer: SMALL, swap: swapLarge },
        ].map(({ own, peer, swap }) => {
          const [first, second] = swap ? [both[1], both[0]] : both;
          if (first === undefined || second === undefined) throw new Error('two connections');
          const seen = (of: { dialledBySmall: boolean; opened: number }) =>
            candidate(of.dialledBySmall === (own === SMALL), 'boot', of.opened);
          const verdict = decidePrimary(seen(first), seen(second), own, peer);
          return verdict === 'replace' ? second.name : first.name;
        });
        expect(survivors[0]).toBe(survivors[1]);
      }),
    );
  });
});
