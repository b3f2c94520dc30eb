import { describe, expect, test } from 'vitest';
import type { DirectoryPath } from '../core/model/relative-path.js';
import { ChangeHints, type ChangeHintsOptions, type Hinted } from './change-hints.js';
import { MemoryDevices } from './memory-devices.fixture.js';

const at = (path: string) => path as DirectoryPath;

function setUp(options: ChangeHintsOptions = {}) {
  const devices = new MemoryDevices();
  const hints = new ChangeHints(devices.clock, {
    settleMs: 15,
    longestMs: 200,
    maxDirectories: 3,
    ...options,
  });
  const ending = new AbortController();
  const taken: { readonly atMs: number; readonly hinted: Hinted | undefined }[] = [];
  /** Takes every lot as it settles. */
  const follow = async () => {
    for (;;) {
      const hinted = await hints.next(ending.signal);
      taken.push({ atMs: devices.clock.monotonicMs(), hinted });
      if (hinted === undefined) return;
    }
  };
  return { devices, hints, ending, taken, follow };
}

const lot = (...paths: string[]) => ({ kind: 'directories', paths });

describe('hints', () => {
  test('are handed over together once they have settled, each directory once', async () => {
    const { devices, hints, taken, follow } = setUp();
    void follow();
    hints.hint(at('a'));
    await devices.advance(10);
    hints.hint(at('b'));
    hints.hint(at('a'));
    await devices.advance(14);
    expect(taken).toEqual([]);
    await devices.advance(1);
    expect(taken).toEqual([{ atMs: 25, hinted: lot('a', 'b') }]);
    expect(hints.isEmpty()).toBe(true);
  });

  test('that never settle are handed over nevertheless', async () => {
    const { devices, hints, taken, follow } = setUp();
    void follow();
    for (let i = 0; i < 50; i++) {
      hints.hint(at('busy'));
      await devices.advance(10);
    }
    expect(taken.map(({ atMs }) => atMs)).toEqual([200, 400]);
  });

  test('too many of them are answered by looking at everything', async () => {
    const { devices, hints, taken, follow } = setUp();
    void follow();
    for (const name of ['a', 'b', 'c', 'd', 'e']) hints.hint(at(name));
    await devices.advance(15);
    expect(taken).toEqual([{ atMs: 15, hinted: { kind: 'everything' } }]);
  });

  test('that settled while nobody looked are there at once', async () => {
    const { devices, hints, ending } = setUp();
    hints.hint(at('a'));
    await devices.advance(100);
    expect(await hints.next(ending.signal)).toEqual(lot('a'));
  });

  test('for later wait for their time, and no hint is lost to one for sooner', async () => {
    const { devices, hints, taken, follow } = setUp();
    void follow();
    hints.hint(at('later'), 100);
    await devices.advance(99);
    expect(taken).toEqual([]);
    hints.hint(at('now'), 0);
    await devices.advance(1);
    expect(taken.map(({ hinted }) => hinted)).toEqual([lot('later', 'now')]);
  });
});

test('the end of the wait is told, and leaves nothing behind', async () => {
  const { devices, hints, ending, taken, follow } = setUp();
  void follow();
  await devices.advance(1);
  ending.abort();
  await devices.advance(1);
  expect(taken).toEqual([{ atMs: 1, hinted: undefined }]);
  hints.hint(at('a'));
  expect(await hints.next(ending.signal)).toBeUndefined();
});
