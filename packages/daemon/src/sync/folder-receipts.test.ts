import { describe, expect, test, vi } from 'vitest';
import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import { asPath, entryOf, file } from '../core/testing/entries.js';
import { MemoryIndex } from '../index/memory-index.js';
import { FolderReceipts } from './folder-receipts.js';

const device = 'B' as DeviceKey;
const theirIndex = 'bbbbbbbbbbbbbbbb' as IndexId;

function newIndex(): MemoryIndex {
  let byte = 1;
  return new MemoryIndex('f' as FolderId, (count) => new Uint8Array(count).fill(byte++));
}

function setUp(index = newIndex()) {
  const receipts = new FolderReceipts(index);
  receipts.follow(device, theirIndex, 0);
  return { index, receipts };
}

describe('what is told to a peer', () => {
  test('the first receipt of a session always, then only progress', () => {
    const { receipts } = setUp();
    expect(receipts.takeDue(device)).toEqual({ indexId: theirIndex, sequence: 0, unplaceable: [] });
    expect(receipts.takeDue(device)).toBeUndefined();
    receipts.received(device, asPath('a'), 3);
    receipts.ended(device, 3);
    expect(receipts.takeDue(device)?.sequence).toBe(2);
    receipts.settled(asPath('a'));
    expect(receipts.takeDue(device)?.sequence).toBe(3);
    expect(receipts.takeDue(device)).toBeUndefined();
  });

  test('a receipt goes out when only the list of what cannot be placed changed, and not when it says the same', () => {
    const { receipts } = setUp();
    receipts.ended(device, 5);
    receipts.received(device, asPath('a'), 5);
    receipts.ended(device, 6);
    expect(receipts.takeDue(device)?.sequence).toBe(4);
    receipts.unplaceable(asPath('a'), 'no');
    expect(receipts.takeDue(device)).toMatchObject({
      sequence: 6,
      unplaceable: [{ path: 'a', reason: 'no' }],
    });
    receipts.unplaceable(asPath('a'), 'no');
    expect(receipts.takeDue(device)).toBeUndefined();
    receipts.unplaceable(asPath('a'), 'still not');
    expect(receipts.takeDue(device)).toMatchObject({ sequence: 6, unplaceable: [{ reason: 'still not' }] });
    receipts.settled(asPath('a'));
    expect(receipts.takeDue(device)).toMatchObject({ sequence: 6, unplaceable: [] });
  });

  test('after a reconnect what cannot be placed is told again, though the watermark has passed it', () => {
    const { receipts } = setUp();
    receipts.received(device, asPath('a'), 2);
    receipts.ended(device, 2);
    receipts.unplaceable(asPath('a'), 'no');
    receipts.unfollow(device);
    receipts.follow(device, theirIndex, 2);
    expect(receipts.takeDue(device)).toMatchObject({
      sequence: 2,
      unplaceable: [{ path: 'a', reason: 'no' }],
    });
  });

  test('after a restart it is told again, from the problems that the index keeps', () => {
    const index = newIndex();
    index.transact((tx) => {
      tx.setProblem({ path: 'a', code: 'unplaceable', text: 'no' });
      tx.setProblem({ path: 'b', code: 'implausible-version', text: 'from tomorrow' });
      tx.setProblem({ path: 'c', code: 'permission-denied', text: 'not about peers' });
    });
    const { receipts } = setUp(index);
    expect(receipts.takeDue(device)?.unplaceable.map(({ path }) => path)).toEqual(['a', 'b']);
  });

  test('what a person put there meanwhile is no longer told as missing', () => {
    const { index, receipts } = setUp();
    receipts.received(device, asPath('a'), 1);
    receipts.unplaceable(asPath('a'), 'no');
    const entry = entryOf('a', { content: file('mine'), vector: { a: 1 }, at: 1 });
    index.transact((tx) => {
      const { version, metadata } = entry;
      const stat = { type: 'file' } as never;
      const held = { version, metadata, stat, racy: false };
      const sequence = tx.nextSequence();
      tx.put({ path: entry.path, sequence, known: entry, held, source: undefined, conflictOf: undefined });
    });
    receipts.persist();
    expect(receipts.takeDue(device)?.unplaceable).toEqual([]);
  });

  test('a lost version is durable once its conflict copy is', () => {
    const { receipts } = setUp();
    receipts.received(device, asPath('a'), 1);
    receipts.awaitCopy(device, 1, asPath('a.sync-conflict'));
    receipts.settled(asPath('a'));
    receipts.ended(device, 1);
    expect(receipts.takeDue(device)?.sequence).toBe(0);
    receipts.settled(asPath('a.sync-conflict'));
    expect(receipts.takeDue(device)?.sequence).toBe(1);
  });
});

describe('what a peer tells', () => {
  const told = (index: MemoryIndex, sequence: number) => ({
    indexId: index.identity().indexId,
    sequence,
    unplaceable: [],
  });

  function withSequence(sequence: number) {
    const index = newIndex();
    index.transact((tx) => {
      for (let i = 0; i < sequence; i++) tx.nextSequence();
      tx.put({
        path: asPath('x'),
        sequence,
        known: entryOf('x', { content: file('x'), vector: { a: 1 }, at: 1 }),
        held: undefined,
        source: undefined,
        conflictOf: undefined,
      });
    });
    return setUp(index);
  }

  test('counts for this index, and never beyond what was written here', () => {
    const { index, receipts } = withSequence(5);
    receipts.durableThere(device, { ...told(index, 5), indexId: theirIndex });
    expect(receipts.durableSequenceOf(device)).toBe(0);
    receipts.durableThere(device, told(index, 6));
    expect(receipts.durableSequenceOf(device)).toBe(0);
    receipts.durableThere(device, told(index, 4));
    expect(receipts.durableSequenceOf(device)).toBe(4);
  });

  test('is believed when it is less than before: the device lost what it had', () => {
    const { index, receipts } = withSequence(5);
    receipts.durableThere(device, told(index, 5));
    receipts.durableThere(device, told(index, 1));
    expect(receipts.durableSequenceOf(device)).toBe(1);
  });

  test('wakes those who wait', () => {
    const { index, receipts } = withSequence(2);
    let woken = 0;
    const stop = receipts.onProgress(() => woken++);
    receipts.durableThere(device, told(index, 1));
    stop();
    receipts.durableThere(device, told(index, 2));
    expect(woken).toBe(1);
  });

  test('outlives a restart once it is stored, and nothing is written while nothing changes', () => {
    const { index, receipts } = withSequence(3);
    receipts.ended(device, 7);
    receipts.durableThere(device, told(index, 3));
    const writes = vi.spyOn(index, 'transact');
    receipts.persist();
    receipts.persist();
    const again = new FolderReceipts(index);
    expect(again.durableSequenceOf(device)).toBe(3);
    expect(again.holding(device)).toEqual({ indexId: theirIndex, sequence: 7 });
    again.persist();
    expect(writes).toHaveBeenCalledTimes(1);
    again.forget(device);
    expect(again.durableSequenceOf(device)).toBe(0);
    expect(new FolderReceipts(index).holding(device)).toBeUndefined();
  });
});
