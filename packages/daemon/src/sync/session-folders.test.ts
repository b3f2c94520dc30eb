import { describe, expect, test } from 'vitest';
import { CloseCode } from '../core/wire/frame-types.js';
import type { FolderState } from '../core/wire/frames.js';
import type { HandStream } from './hand-peer.fixture.js';
import { indexIdOf, SessionWorld, stateOf } from './session.fixture.js';
import { entryFor } from './shared-folder.fixture.js';

const f = stateOf('f').folder;

function sendEntry(stream: HandStream, path: string, sequence: number, state = stateOf('f')): Promise<void> {
  return stream.send({
    type: 'indexEntries',
    folder: state.folder,
    entries: [{ sequence, entry: entryFor(path, sequence) }],
  });
}

const end = (stream: HandStream, upToSequence: number) =>
  stream.send({ type: 'indexEnd', folder: f, upToSequence });

describe('a folder that both share', () => {
  test('travels both ways, and is answered by receipts', async () => {
    const world = new SessionWorld();
    const folder = world.share('f');
    folder.write('ours');
    const peer = await world.established([stateOf('f')]);
    expect(peer.framesOf('shardAssignment')).toMatchObject([{ shards: [{ folder: f, shard: 0 }] }]);
    expect(
      peer.framesOf('indexEntries').flatMap(({ entries }) => entries.map(({ entry }) => entry.path)),
    ).toEqual(['ours']);
    expect(peer.framesOf('indexEnd')).toMatchObject([{ upToSequence: 1 }]);
    const index = await peer.openIndex(stateOf('f'));
    await sendEntry(index, 'theirs', 3);
    await end(index, 5);
    await world.devices.settle();
    expect(folder.paths).toEqual(['theirs']);
    expect(peer.framesOf('durable').at(-1)).toMatchObject({
      folder: f,
      indexId: indexIdOf('b'),
      sequence: 5,
    });
    const receipts = await peer.openUni(0x04);
    const receipt = {
      type: 'durable',
      folder: f,
      indexId: indexIdOf('a'),
      sequence: 1,
      unplaceable: [],
    } as const;
    await receipts.send(receipt);
    await world.devices.settle();
    expect(folder.toldDurable).toEqual([receipt]);
  });

  test('goes on behind what the other side holds, and a device is never sent its own entries', async () => {
    const world = new SessionWorld();
    const folder = world.share('f');
    for (const path of ['held', 'new']) folder.write(path);
    folder.write('its own', 'hand' as never);
    const holding = { indexId: indexIdOf('a'), sequence: 1 };
    const peer = await world.established([{ ...stateOf('f'), holding }]);
    expect(peer.framesOf('indexStart')).toMatchObject([{ afterSequence: 1 }]);
    expect(
      peer.framesOf('indexEntries').flatMap(({ entries }) => entries.map(({ sequence }) => sequence)),
    ).toEqual([2]);
    expect(peer.framesOf('indexEnd')).toMatchObject([{ upToSequence: 3 }]);
    folder.write('later');
    await world.devices.settle();
    expect(peer.framesOf('indexEnd').at(-1)).toMatchObject({ upToSequence: 4 });
  });

  test.each([
    ['of another index', { indexId: indexIdOf('9'), sequence: 1 }],
    ['more than there ever was', { indexId: indexIdOf('a'), sequence: 99 }],
  ])('begins anew when the other side holds what is %s', async (_what, holding) => {
    const world = new SessionWorld();
    world.share('f').write('one');
    const peer = await world.established([{ ...stateOf('f'), holding }]);
    expect(peer.framesOf('indexStart')).toMatchObject([{ afterSequence: 0 }]);
  });
});

describe('a folder that only one side shares', () => {
  test('is offered, and exchanged from when the other shares it, too', async () => {
    const world = new SessionWorld();
    const peer = await world.established([stateOf('f')]);
    expect(world.events).toEqual(['established', 'offered f']);
    const folder = world.share('f');
    world.session.folders.announce(f);
    await world.devices.settle();
    expect(peer.framesOf('folderAccept')).toMatchObject([{ state: { folder: f } }]);
    expect(folder.links.size).toBe(1);
  });

  test('is announced once it has been looked at', async () => {
    const world = new SessionWorld();
    const folder = world.share('f');
    folder.isReady = false;
    const peer = await world.established([stateOf('f')]);
    expect(peer.framesOf('authOk')).toMatchObject([{ folders: [] }]);
    expect(world.events).toEqual(['established']);
    folder.isReady = true;
    world.session.folders.announce(f);
    await world.devices.settle();
    expect(peer.framesOf('folderAccept')).toHaveLength(1);
    expect(world.events.at(-1)).toBe('shared f');
  });

  test('entries may overtake the acceptance, which travels on another stream', async () => {
    const world = new SessionWorld();
    const folder = world.share('f');
    const peer = await world.established();
    const index = await peer.openIndex(stateOf('f'));
    await sendEntry(index, 'early', 1);
    await world.devices.advance(5_000);
    expect(folder.received).toEqual([]);
    await peer.control.send({ type: 'folderAccept', state: stateOf('f') });
    await world.devices.settle();
    expect(folder.paths).toEqual(['early']);
  });

  test('an acceptance that never comes is a violation after ten seconds', async () => {
    const world = new SessionWorld();
    world.share('f');
    const peer = await world.established();
    await sendEntry(await peer.openIndex(stateOf('f')), 'early', 1);
    await world.devices.advance(9_000);
    expect(await peer.closeInfo()).toBe('open');
    await world.devices.advance(2_000);
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.protocolError });
  });
});

describe('a folder that is withdrawn', () => {
  async function shared() {
    const world = new SessionWorld();
    const folder = world.share('f');
    const peer = await world.established([stateOf('f')]);
    const index = await peer.openIndex(stateOf('f'));
    await sendEntry(index, 'before', 1);
    await world.devices.settle();
    return { world, folder, peer, index };
  }

  test('by us: what is still on its way is passed over, and what they share is an offer', async () => {
    const { world, folder, peer, index } = await shared();
    world.session.folders.remove(f);
    world.folders.delete(f);
    await sendEntry(index, 'after', 2);
    await world.devices.settle();
    expect(peer.framesOf('folderRemove')).toHaveLength(1);
    expect(folder.paths).toEqual(['before']);
    expect(folder.links.size).toBe(0);
    expect(world.events.at(-1)).toBe('offered f');
    expect(await peer.closeInfo()).toBe('open');
  });

  test('by us before their acceptance came', async () => {
    const world = new SessionWorld();
    world.share('f');
    const peer = await world.established();
    world.session.folders.remove(f);
    world.folders.delete(f);
    const index = await peer.openIndex(stateOf('f'));
    await peer.control.send({ type: 'folderAccept', state: stateOf('f') });
    await sendEntry(index, 'late', 1);
    await world.devices.settle();
    expect(await peer.closeInfo()).toBe('open');
    expect(world.events.at(-1)).toBe('offered f');
  });

  test('by them: nothing more is sent or taken', async () => {
    const { world, folder, peer, index } = await shared();
    await peer.control.send({ type: 'folderRemove', folder: f });
    await world.devices.settle();
    folder.write('ours');
    await sendEntry(index, 'after', 2);
    await world.devices.settle();
    expect(world.events.at(-1)).toBe('withdrawn f');
    expect(peer.framesOf('indexEntries')).toEqual([]);
    expect(folder.paths).toEqual(['before']);
    expect(await peer.closeInfo()).toBe('open');
  });

  test('and shared again begins anew; the rest of the first time is passed over', async () => {
    const { world, folder, peer, index } = await shared();
    world.session.folders.remove(f);
    world.session.folders.announce(f);
    await sendEntry(index, 'of the first time', 2);
    await world.devices.settle();
    expect(peer.framesOf('folderOffer')).toHaveLength(1);
    const again: FolderState = stateOf('f', 0, indexIdOf('c'));
    await index.send({ type: 'indexStart', folder: f, indexId: again.indexId, afterSequence: 0 });
    await sendEntry(index, 'of the second', 1);
    await peer.control.send({ type: 'folderAccept', state: again });
    await world.devices.settle();
    expect(folder.paths).toEqual(['before', 'of the second']);
    expect(await peer.closeInfo()).toBe('open');
  });

  test('a folder that is taken and given up without end', async () => {
    const { world, peer } = await shared();
    for (let i = 0; i < 12; i++) {
      await peer.control.send({ type: 'folderRemove', folder: f });
      await peer.control.send({ type: 'folderOffer', state: stateOf('f') });
    }
    await world.devices.settle();
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.limitExceeded });
  });

  test('any number of folders that were never shared changes nothing', async () => {
    const { world, peer } = await shared();
    for (let i = 0; i < 3_000; i++) {
      await peer.control.send({ type: 'folderOffer', state: stateOf(`x${i}`) });
      await peer.control.send({ type: 'folderRemove', folder: stateOf(`x${i}`).folder });
    }
    await world.devices.settle();
    expect(await peer.closeInfo()).toBe('open');
    expect(world.session.folders.isOpen(f)).toBe(true);
  });
});

test('receipts are gathered while the peer does not read them: the latest is sent', async () => {
  const world = new SessionWorld();
  const folder = world.share('f');
  const peer = await world.established([stateOf('f')]);
  const index = await peer.openIndex(stateOf('f'));
  const before = peer.framesOf('durable').length;
  for (let sequence = 1; sequence <= 50; sequence++) {
    await sendEntry(index, `file-${sequence}`, sequence);
    await end(index, sequence);
  }
  await world.devices.settle();
  expect(folder.received).toHaveLength(50);
  const told = peer.framesOf('durable').slice(before);
  expect(told.at(-1)).toMatchObject({ sequence: 50 });
  expect(told.length).toBeLessThan(10);
});
