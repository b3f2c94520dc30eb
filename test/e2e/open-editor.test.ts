import { closeSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pairDevices, shareFolder } from '../support/pair-and-share.js';
import { untilSame } from '../support/tree.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';

const newDevice = useDevices();

test('what an open editor writes into a file that was replaced meanwhile becomes a conflict copy on both devices', async () => {
  const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
  const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
  await pairDevices(a, b);
  await shareFolder(a, left, b, right);
  writeFileSync(join(left, 'note'), 'before ');
  await untilSame(left, right);
  const editor = openSync(join(right, 'note'), 'a');
  try {
    writeFileSync(join(left, 'note'), 'after');
    await until(() => readFileSync(join(right, 'note'), 'utf8') === 'after', {
      what: 'the new content arrives',
    });
    writeSync(editor, 'and a late edit');
  } finally {
    closeSync(editor);
  }
  const copies = () => readdirSync(left).filter((name) => name.startsWith('note.sync-conflict-'));
  await until(() => copies().length === 1, { what: 'the late edit arrives as a copy', timeoutMs: 30_000 });
  await untilSame(left, right);
  expect(readFileSync(join(left, copies()[0] ?? ''), 'utf8')).toBe('before and a late edit');
  expect(readFileSync(join(left, 'note'), 'utf8')).toBe('after');
});
