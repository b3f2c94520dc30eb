import { beforeEach, describe, expect, it } from 'vitest';
import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import { asPath, deleted, directory, entryOf, file } from '../core/testing/entries.js';
import { RemoteListing } from './remote-listing.js';

const peer = 'PEER' as DeviceKey;
const index = 'ab'.repeat(8) as IndexId;
const state = {
  folder: 'f' as FolderId,
  label: 'f',
  indexId: 'cd'.repeat(8) as IndexId,
  sequence: 0,
  commitTag: '00'.repeat(8),
  holding: undefined,
};

let timers: { readonly delayMs: number; readonly callback: () => void }[];
beforeEach(() => {
  timers = [];
});
const clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after: (delayMs: number, callback: () => void) => {
    const timer = { delayMs, callback };
    timers.push(timer);
    return () => {
      timers = timers.filter((each) => each !== timer);
    };
  },
};
const waiting = () => timers.map(({ delayMs }) => delayMs);
const fire = (delayMs: number) => timers.find((timer) => timer.delayMs === delayMs)?.callback();
const listing = (theirSequence = 3) => new RemoteListing(clock, { state, theirSequence, timeoutMs: 9_000 });
const entry = (path: string, content = file(path), sequence = 1) => ({
  sequence,
  entry: entryOf(path, { content, vector: { b: sequence }, at: sequence }),
});

describe('the listing of a folder on another device', () => {
  it('is whole when all that was announced has come, and nothing after it for a while', async () => {
    const theirs = listing();
    theirs.connect();
    theirs.receive(peer, index, [entry('a'), entry('d', directory as never, 2)]);
    theirs.ended(peer, 2);
    expect(waiting()).toEqual([9_000]);
    theirs.receive(peer, index, [entry('b', file('b'), 3)]);
    theirs.ended(peer, 3);
    expect(waiting()).toEqual([9_000, 300]);
    theirs.receive(peer, index, [entry('a', deleted as never, 4)]);
    expect(waiting()).toEqual([9_000]);
    theirs.ended(peer, 4);
    fire(300);
    expect([...(await theirs.whole()).keys()]).toEqual([asPath('b')]);
    expect(timers.filter(({ delayMs }) => delayMs === 9_000)).toEqual([]);
  });

  it('of an empty folder is whole without anything that comes', async () => {
    const theirs = listing(0);
    theirs.connect();
    fire(300);
    expect((await theirs.whole()).size).toBe(0);
  });

  it('ends with the connection, and with the time', async () => {
    const cut = listing();
    cut.disconnect();
    await expect(cut.whole()).rejects.toMatchObject({ code: 'disconnected' });
    expect(waiting()).toEqual([]);
    const slow = listing();
    fire(9_000);
    await expect(slow.whole()).rejects.toMatchObject({ code: 'timeout' });
  });

  it('tells nothing of this device', () => {
    const theirs = listing();
    expect([theirs.entriesToSend(), theirs.sequence(), theirs.takeDueReceipt(), theirs.state()]).toEqual([
      [],
      0,
      undefined,
      state,
    ]);
  });
});
