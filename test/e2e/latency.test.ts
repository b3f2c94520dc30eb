import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder } from '../support/pair-and-share.js';
import { untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();
const EDITS = 20;

test('edits that answer each other, as two people or programs make them, take well below a second each', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  writeFileSync(join(left, 'note'), 'start');
  await untilSame(left, right);
  const tookMs: number[] = [];
  for (let i = 0; i < EDITS; i++) {
    const [from, to] = i % 2 === 0 ? [right, left] : [left, right];
    const startedAt = performance.now();
    writeFileSync(join(from, 'note'), `edit ${i}`);
    const arrived = () =>
      existsSync(join(to, 'note')) && readFileSync(join(to, 'note'), 'utf8') === `edit ${i}`;
    await until(arrived, { what: `edit ${i} arrives`, intervalMs: 1 });
    tookMs.push(Math.round(performance.now() - startedAt));
  }
  const median = tookMs.toSorted((x, y) => x - y)[EDITS / 2];
  // Tens of milliseconds on a quiet machine; the bound is for a busy one, and far below any timer that must not be in it.
  expect(median, `each took, in ms: ${tookMs.join(' ')}`).toBeLessThan(500);
});
