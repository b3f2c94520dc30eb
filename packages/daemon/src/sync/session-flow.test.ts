import { describe, expect, test } from 'vitest';
import { CloseCode, StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import type { HandPeer, HandStream } from './hand-peer.fixture.js';
import { indexIdOf, SessionWorld, stateOf } from './session.fixture.js';
import { entryFor } from './shared-folder.fixture.js';

const f = stateOf('f').folder;
const SECOND_MS = 1_000;

function sequencesOf(frames: readonly Frame[]): number[] {
  return frames.flatMap((frame) =>
    frame.type === 'indexEntries' ? frame.entries.map(({ sequence }) => sequence) : [],
  );
}

function entries(...sequences: number[]): Frame {
  return {
    type: 'indexEntries',
    folder: f,
    entries: sequences.map((sequence) => ({ sequence, entry: entryFor(`file-${sequence}`, sequence) })),
  };
}

const start = (afterSequence: number): Frame => ({
  type: 'indexStart',
  folder: f,
  indexId: indexIdOf('b'),
  afterSequence,
});
const end = (upToSequence: number): Frame => ({ type: 'indexEnd', folder: f, upToSequence });

async function sendAll(stream: HandStream, ...frames: readonly Frame[]): Promise<void> {
  for (const frame of frames) await stream.send(frame);
}

async function shared() {
  const world = new SessionWorld();
  const folder = world.share('f');
  const peer = await world.established([stateOf('f')]);
  return { world, folder, peer, arrived: () => sequencesOf(peer.received).length };
}

describe('a peer that asks for a slower push', () => {
  test('gets entries at that pace, all of them in order, and as fast as before once the time is over', async () => {
    const { world, folder, peer, arrived } = await shared();
    await peer.control.send({ type: 'throttle', entriesPerSecond: 40, forMs: 10_000 });
    await world.devices.settle();
    for (let i = 0; i < 1_000; i++) folder.write(`file-${i}`);
    await world.devices.advance(5 * SECOND_MS);
    expect(arrived()).toBeGreaterThan(150);
    expect(arrived()).toBeLessThanOrEqual(200);
    // A quarter of a second's worth at a time, and no frame for each.
    expect(peer.framesOf('indexEntries').length).toBeLessThan(30);
    await world.devices.advance(6 * SECOND_MS);
    expect(sequencesOf(peer.received)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
    expect(await peer.closeInfo()).toBe('open');
  });

  test('is given at most 60 s, whatever it asked for, and lifts it when it likes', async () => {
    const { world, folder, peer, arrived } = await shared();
    await peer.control.send({ type: 'throttle', entriesPerSecond: 0, forMs: 60_000 });
    await world.devices.settle();
    folder.write('one');
    await world.devices.advance(59 * SECOND_MS);
    expect(arrived()).toBe(0);
    await world.devices.advance(2 * SECOND_MS);
    expect(arrived()).toBe(1);
    await peer.control.send({ type: 'throttle', entriesPerSecond: 0, forMs: 60_000 });
    await world.devices.settle();
    folder.write('two');
    await world.devices.advance(SECOND_MS);
    await peer.control.send({ type: 'throttle', entriesPerSecond: 0, forMs: 0 });
    await world.devices.settle();
    expect(arrived()).toBe(2);
  });

  test('is answered at once by everything that is no index', async () => {
    const { world, peer } = await shared();
    await peer.control.send({ type: 'throttle', entriesPerSecond: 0, forMs: 60_000 });
    await peer.control.send({ type: 'ping', nonce: 9 });
    await sendAll(await peer.openUni(StreamKind.indexShard, 0), start(0), entries(1), end(1));
    await world.devices.settle();
    expect(peer.framesOf('pong')).toHaveLength(1);
    expect(peer.framesOf('durable').at(-1)).toMatchObject({ sequence: 1 });
  });
});

describe('a device that is overloaded', () => {
  test('asks for less, asks again while it lasts, and takes it back', async () => {
    const world = new SessionWorld();
    world.overload = { maxPending: 10, minEntriesPerSecond: 5, forMs: 4_000 };
    const folder = world.share('f');
    const peer = await world.established([stateOf('f')]);
    const index = await peer.openUni(StreamKind.indexShard, 0);
    await sendAll(index, start(0), entries(1), end(1));
    await world.devices.settle();
    expect(peer.framesOf('throttle')).toEqual([]);
    folder.pendingEntries = 11;
    await sendAll(index, entries(2), end(2));
    await world.devices.settle();
    expect(peer.framesOf('throttle')).toEqual([{ type: 'throttle', entriesPerSecond: 5, forMs: 4_000 }]);
    await world.devices.advance(5 * SECOND_MS);
    const asked = peer.framesOf('throttle').length;
    expect(asked).toBeGreaterThanOrEqual(2);
    folder.pendingEntries = 3;
    await world.devices.advance(2 * SECOND_MS);
    expect(peer.framesOf('throttle').at(-1)).toMatchObject({ forMs: 0 });
    await world.devices.advance(20 * SECOND_MS);
    expect(peer.framesOf('throttle')).toHaveLength(asked + 1);
  });
});

describe('a folder that the peer has paused', () => {
  test('waits until it goes on; another folder does not', async () => {
    const world = new SessionWorld();
    const paused = world.share('f');
    const other = world.share('g');
    const peer = await world.established([stateOf('f'), stateOf('g')]);
    await peer.control.send({ type: 'folderPause', folder: f, paused: true });
    await world.devices.settle();
    paused.write('one');
    other.write('two');
    await world.devices.advance(120 * SECOND_MS);
    expect(peer.framesOf('indexEntries').map(({ folder }) => folder)).toEqual(['g']);
    await peer.control.send({ type: 'folderPause', folder: f, paused: false });
    await world.devices.settle();
    expect(peer.framesOf('indexEntries').map(({ folder }) => folder)).toEqual(['g', 'f']);
  });

  test('is paused by us with a frame', async () => {
    const { world, peer } = await shared();
    world.session.folders.pause(f, true);
    await world.devices.settle();
    expect(peer.framesOf('folderPause')).toEqual([{ type: 'folderPause', folder: f, paused: true }]);
  });
});

describe('Delivered', () => {
  test('is sent for what is stored and not durable yet', async () => {
    const { world, folder, peer } = await shared();
    folder.takeDueReceipt = () => undefined;
    await sendAll(await peer.openUni(StreamKind.indexShard, 0), start(0), entries(1, 2), end(2));
    await world.devices.settle();
    expect(peer.framesOf('delivered')).toEqual([
      { type: 'delivered', folder: f, indexId: indexIdOf('b'), sequence: 2 },
    ]);
  });

  test('is not sent for what is durable already', async () => {
    const { world, peer } = await shared();
    await sendAll(await peer.openUni(StreamKind.indexShard, 0), start(0), entries(1, 2), end(2));
    await world.devices.settle();
    expect(peer.framesOf('durable').at(-1)).toMatchObject({ sequence: 2 });
    expect(peer.framesOf('delivered')).toEqual([]);
  });

  test('is kept when it is of our index', async () => {
    const { world, folder, peer } = await shared();
    for (const path of ['a', 'b']) folder.write(path);
    const receipts = await peer.openUni(StreamKind.receipts);
    await receipts.send({ type: 'delivered', folder: f, indexId: indexIdOf('9'), sequence: 1 });
    await world.devices.settle();
    expect(world.session.folders.deliveredThere(f)).toBe(0);
    await receipts.send({ type: 'delivered', folder: f, indexId: indexIdOf('a'), sequence: 2 });
    await world.devices.settle();
    expect(world.session.folders.deliveredThere(f)).toBe(2);
  });
});

describe('a hot folder', () => {
  const hotStreams = (peer: HandPeer) => peer.streams.filter(({ kind }) => kind === StreamKind.hotFolder);

  /** So many updates a second, for so long. */
  async function write(
    { world, folder }: Awaited<ReturnType<typeof shared>>,
    perSecond: number,
    seconds: number,
  ): Promise<void> {
    for (let i = 0; i < seconds * 10; i++) {
      for (let n = 0; n < perSecond / 10; n++) folder.write(`file-${folder.sequence()}`);
      await world.devices.advance(100);
    }
  }

  test('gets a stream of its own above 100 updates/s, and gives it back below 20 after 60 s', async () => {
    const set = await shared();
    const { world, folder, peer } = set;
    await write(set, 90, 10);
    expect(peer.framesOf('folderPromoted')).toEqual([]);
    await write(set, 150, 6);
    expect(peer.framesOf('folderPromoted')).toEqual([{ type: 'folderPromoted', folder: f }]);
    const [hot] = hotStreams(peer);
    const [first] = hot?.frames ?? [];
    const before = sequencesOf(peer.streams.find(({ kind }) => kind === StreamKind.indexShard)?.frames ?? []);
    expect(first).toMatchObject({ type: 'indexStart', afterSequence: before.at(-1) });
    expect(sequencesOf(hot?.frames ?? [])[0]).toBe((before.at(-1) ?? 0) + 1);
    await world.devices.advance(55 * SECOND_MS);
    expect(peer.framesOf('folderDemoted')).toEqual([]);
    await world.devices.advance(20 * SECOND_MS);
    expect(peer.framesOf('folderDemoted')).toEqual([{ type: 'folderDemoted', folder: f, shard: 0 }]);
    expect(hot?.isEnded).toBe(true);
    // It goes on where it was before.
    folder.write('later');
    await world.devices.settle();
    expect(peer.streams.filter(({ kind }) => kind === StreamKind.indexShard)).toHaveLength(1);
    expect(sequencesOf(peer.received)).toEqual(Array.from({ length: folder.sequence() }, (_, i) => i + 1));
    expect(peer.framesOf('indexStart').map(({ afterSequence }) => afterSequence)).toEqual([
      0,
      before.at(-1),
      folder.sequence() - 1,
    ]);
    expect(await peer.closeInfo()).toBe('open');
  });

  test('what was there before is no update', async () => {
    const world = new SessionWorld();
    const folder = world.share('f');
    for (let i = 0; i < 3_000; i++) folder.write(`file-${i}`);
    const peer = await world.established([stateOf('f')]);
    await world.devices.advance(5 * SECOND_MS);
    expect(sequencesOf(peer.received)).toHaveLength(3_000);
    expect(peer.framesOf('folderPromoted')).toEqual([]);
  });

  test('loses its stream when it is not exchanged any more', async () => {
    const set = await shared();
    await write(set, 200, 5);
    const [hot] = hotStreams(set.peer);
    expect(hot?.isEnded).toBe(false);
    set.world.session.folders.remove(f);
    await set.world.devices.settle();
    expect(hot?.isEnded).toBe(true);
    expect(await set.peer.closeInfo()).toBe('open');
  });
});

describe('a folder that the peer moves to another stream', () => {
  test('goes on there once the end on the old one has come, with one frame held', async () => {
    const { world, folder, peer } = await shared();
    const hot = await peer.openUni(StreamKind.hotFolder);
    await sendAll(hot, start(2), entries(3), end(3));
    await world.devices.advance(30 * SECOND_MS);
    expect(folder.paths).toEqual([]);
    const shard = await peer.openUni(StreamKind.indexShard, 5);
    await sendAll(shard, start(0), entries(1), entries(2));
    await world.devices.settle();
    expect(folder.paths).toEqual(['file-1', 'file-2']);
    await shard.send(end(2));
    await world.devices.settle();
    expect(folder.paths).toEqual(['file-1', 'file-2', 'file-3']);
    expect(peer.framesOf('durable').at(-1)).toMatchObject({ sequence: 3 });
    expect(await peer.closeInfo()).toBe('open');
  });

  test('and back waits for what it sent meanwhile', async () => {
    const { world, folder, peer } = await shared();
    const shard = await peer.openUni(StreamKind.indexShard, 0);
    await sendAll(shard, start(0), entries(1), end(1), start(2), entries(3), end(3));
    await world.devices.settle();
    expect(folder.paths).toEqual(['file-1']);
    await sendAll(await peer.openUni(StreamKind.hotFolder), start(1), entries(2), end(2));
    await world.devices.settle();
    expect(folder.paths).toEqual(['file-1', 'file-2', 'file-3']);
    expect(await peer.closeInfo()).toBe('open');
  });

  test('and whose old stream never comes to that end breaks the protocol', async () => {
    const { world, peer } = await shared();
    const shard = await peer.openUni(StreamKind.indexShard, 0);
    await sendAll(shard, start(0), entries(1), end(1));
    await (await peer.openUni(StreamKind.hotFolder)).send(start(2));
    await world.devices.advance(59 * SECOND_MS);
    expect(await peer.closeInfo()).toBe('open');
    await world.devices.advance(2 * SECOND_MS);
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.protocolError });
  });

  test('without end is cut off', async () => {
    const { world, peer } = await shared();
    const index = await peer.openUni(StreamKind.indexShard, 0);
    for (let i = 0; i < 20; i++) await index.send(start(0)).catch(() => {});
    await world.devices.settle();
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.limitExceeded });
  });

  test('and that was closed meanwhile is passed over on both', async () => {
    const { world, folder, peer } = await shared();
    const hot = await peer.openUni(StreamKind.hotFolder);
    await sendAll(hot, start(2), entries(3));
    await world.devices.settle();
    world.session.folders.remove(f);
    const shard = await peer.openUni(StreamKind.indexShard, 0);
    await sendAll(shard, start(0), entries(1, 2), end(2));
    await world.devices.advance(90 * SECOND_MS);
    expect(folder.paths).toEqual([]);
    expect(await peer.closeInfo()).toBe('open');
  });
});

test('a shard whose number does not come within 1 s breaks the protocol', async () => {
  const { world, peer } = await shared();
  await peer.openUni(StreamKind.indexShard);
  await world.devices.advance(900);
  expect(await peer.closeInfo()).toBe('open');
  await world.devices.advance(200);
  expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.protocolError });
});
