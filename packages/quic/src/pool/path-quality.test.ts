import { expect, it } from 'vitest';
import { judgePath } from './path-quality.js';

const start = { packetsOut: 1_000, packetsLost: 500, rttMs: 20 };

it.each([
  ['nothing is lost', { packetsOut: 2_000, packetsLost: 500, rttMs: 20 }, 0, false],
  ['a fifth is lost', { packetsOut: 2_000, packetsLost: 700, rttMs: 20 }, 0.2, false],
  ['more than a fifth is lost', { packetsOut: 2_000, packetsLost: 750, rttMs: 20 }, 0.25, true],
  ['too little was sent to tell', { packetsOut: 1_040, packetsLost: 540, rttMs: 20 }, 0, false],
  ['a link is full', { packetsOut: 2_000, packetsLost: 500, rttMs: 900 }, 0, false],
  ['answers take seconds', { packetsOut: 2_000, packetsLost: 500, rttMs: 2_000 }, 0, true],
] as const)('judges a path on which %s', (_, now, lossShare, isPoor) => {
  expect(judgePath(start, now, 20)).toEqual({ lossShare, isPoor });
});

it('knows that a far peer is far', () => {
  expect(judgePath(start, { ...start, rttMs: 2_000 }, 600).isPoor).toBe(false);
});
