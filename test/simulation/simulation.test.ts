import { describe, expect, test } from 'vitest';
import { describeFailure, replay, runCampaign } from './campaign.js';
import { Chance } from './chance.js';
import { findForeignBytes, findLossesAndReturns } from './judge.js';
import { Ledger } from './ledger.js';
import { MemoryFileSystem } from './memory-file-system.js';
import { hashOfBytes } from './memory-places.js';
import type { SimulatedDevice } from './simulated-device.js';

/** Few: the long run is `npm run simulate`. */
const HISTORIES = 7;

test('histories of a few devices keep the promises', async () => {
  const { failures, coverage } = await runCampaign({ histories: HISTORIES, seed: 2 });
  const news = failures.filter(({ known }) => known === undefined).map(describeFailure);
  expect(news).toEqual([]);
  // A simulation in which nothing happens keeps every promise.
  for (const what of ['person write', 'person editInPlace', 'person remove', 'fault start']) {
    expect([what, coverage.get(what) > 0]).toEqual([what, true]);
  }
}, 120_000);

test('a history is the same each time', async () => {
  for (const seed of [3, 6]) {
    const first = await replay(seed);
    expect((await replay(seed)).coverage.lines()).toEqual(first.coverage.lines());
  }
}, 60_000);

describe('the judge', () => {
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text));
  const standing = (text: string) => `file ${hashOfBytes(bytes(text))}`;

  function folderWith(contents: Readonly<Record<string, string>>): SimulatedDevice {
    const files = new MemoryFileSystem({ nowMs: () => 1_700_000_000_000 });
    for (const [path, text] of Object.entries(contents)) files.createFile(path, bytes(text), 0o644);
    return { id: 'DEVA', files } as SimulatedDevice;
  }

  const promises = (violations: readonly { readonly promise: string }[]) =>
    violations.map(({ promise }) => promise);

  test('misses what a person wrote and nobody replaced', () => {
    const ledger = new Ledger();
    ledger.place('DEVA', 'a', standing('kept'));
    ledger.place('DEVA', 'b', standing('lost'));
    ledger.place('DEVA', 'c', standing('replaced'));
    ledger.replace('DEVB', 'c', standing('replaced'), true);
    expect(promises(findLossesAndReturns(folderWith({ a: 'kept' }), ledger))).toEqual(['no lost write']);
  });

  test('finds what comes back after it was deleted', () => {
    const ledger = new Ledger();
    ledger.place('DEVA', 'a', standing('gone'));
    ledger.replace('DEVA', 'a', standing('gone'), true);
    expect(promises(findLossesAndReturns(folderWith({ a: 'gone' }), ledger))).toEqual(['no resurrection']);
  });

  test('finds bytes that nobody put under that name', () => {
    const ledger = new Ledger();
    ledger.place('DEVA', 'a', standing('one'));
    ledger.place('DEVA', 'b', standing('two'));
    const device = folderWith({ a: 'one', b: 'one', c: 'on' });
    expect(promises(findForeignBytes(device, ledger))).toEqual(['no foreign bytes', 'no foreign bytes']);
  });
});

test('chance is the same for the same seed', () => {
  const draw = (seed: number) => new Chance(seed).bytes(8);
  expect(draw(5)).toEqual(draw(5));
  expect(draw(5)).not.toEqual(draw(6));
});
