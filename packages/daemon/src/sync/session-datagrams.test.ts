import { encodeFrame } from '@landropic/quic';
import { describe, expect, test } from 'vitest';
import { decodeDatagram, encodePayload } from '../core/wire/codec.js';
import { CloseCode } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import type { HandPeer } from './hand-peer.fixture.js';
import { SessionWorld, stateOf } from './session.fixture.js';

const f = stateOf('f').folder;
const MINUTE_MS = 60_000;

async function shared() {
  const world = new SessionWorld();
  const folder = world.share('f');
  const peer = await world.dialled();
  const heard: Frame[] = [];
  peer.connection.datagrams?.onDatagram((bytes) => {
    const frame = decodeDatagram(bytes);
    if (frame !== undefined) heard.push(frame);
  });
  await peer.handshake([stateOf('f')]);
  return { world, folder, peer, heard, last: () => heard.at(-1)?.type };
}

function send(peer: HandPeer, frame: Frame): void {
  const { frameType, payload } = encodePayload(frame);
  peer.connection.datagrams?.send(encodeFrame(frameType, payload));
}

describe('presence of this device', () => {
  test('is online, then away after five minutes without a change, and online with the next', async () => {
    const { world, folder, heard, last } = await shared();
    expect(heard.map(({ type }) => type)).toEqual(['presenceOnline']);
    await world.devices.advance(4 * MINUTE_MS);
    expect(last()).toBe('presenceOnline');
    await world.devices.advance(1 * MINUTE_MS);
    expect(last()).toBe('presenceAway');
    folder.write('by a person here');
    await world.devices.settle();
    expect(last()).toBe('presenceOnline');
    // What only passes through is nobody's presence.
    await world.devices.advance(5 * MINUTE_MS);
    folder.write('from a third device', 'third' as never);
    await world.devices.settle();
    expect(last()).toBe('presenceAway');
  });

  test('is said again and again, each time with a larger counter', async () => {
    const { world, heard } = await shared();
    await world.devices.advance(3 * MINUTE_MS);
    const counters = heard.map((frame) => ('counter' in frame ? frame.counter : 0));
    expect(counters.length).toBeGreaterThan(4);
    expect(counters).toEqual([...new Set(counters)].sort((a, b) => a - b));
  });

  test('is offline when it goes', async () => {
    const { world, last } = await shared();
    world.serving = 1;
    void world.session.leave();
    await world.devices.settle();
    expect(last()).toBe('presenceOffline');
  });
});

describe('presence of the peer', () => {
  test('is what it said last, whatever comes late', async () => {
    const { world, peer } = await shared();
    expect(world.session.presence).toBe('online');
    send(peer, { type: 'presenceAway', counter: 7 });
    await world.devices.settle();
    expect(world.session.presence).toBe('away');
    send(peer, { type: 'presenceOnline', counter: 6 });
    await world.devices.settle();
    expect(world.session.presence).toBe('away');
    send(peer, { type: 'presenceOnline', counter: 8 });
    await world.devices.settle();
    expect(world.session.presence).toBe('online');
  });
});

describe('activity of a folder', () => {
  test('is told within a second, also while the peer takes no entries', async () => {
    const { world, folder, peer, heard } = await shared();
    await peer.control.send({ type: 'throttle', entriesPerSecond: 0, forMs: 60_000 });
    await world.devices.settle();
    for (const path of ['a', 'b', 'c']) folder.write(path);
    await world.devices.advance(1_500);
    expect(heard.filter(({ type }) => type === 'folderActivity')).toEqual([
      { type: 'folderActivity', counter: expect.any(Number), folder: f, sequence: 3 },
    ]);
    expect(peer.framesOf('indexEntries')).toEqual([]);
  });

  test('of the peer is a hint, for folders that are exchanged', async () => {
    const { world, peer } = await shared();
    const other = stateOf('other').folder;
    send(peer, { type: 'folderActivity', counter: 2, folder: f, sequence: 12 });
    send(peer, { type: 'folderActivity', counter: 3, folder: other, sequence: 12 });
    await world.devices.settle();
    expect(world.session.activityOf(f)).toMatchObject({ sequence: 12 });
    expect(world.session.activityOf(other)).toBeUndefined();
    world.session.folders.remove(f);
    expect(world.session.activityOf(f)).toBeUndefined();
  });
});

describe('a datagram', () => {
  test.each([
    ['that is no frame', [0x80, 1, 2], CloseCode.protocolError],
    ['with a frame of a stream', [0xff, 0, 0, 0, 1, 0xa0], CloseCode.protocolError],
    ['beyond the limit', new Array<number>(1_150).fill(0x80), CloseCode.limitExceeded],
  ])('%s closes the connection', async (_, bytes, code) => {
    const { world, peer } = await shared();
    peer.connection.datagrams?.send(Uint8Array.from(bytes));
    await world.devices.settle();
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code });
  });

  test('that nobody knows is passed over', async () => {
    const { world, peer } = await shared();
    peer.connection.datagrams?.send(Uint8Array.of(0xe1, 0, 0, 0, 1, 0xff));
    await world.devices.settle();
    expect(await peer.closeInfo()).toBe('open');
  });

  test('beyond two hundred in a second is dropped unread', async () => {
    const { world, peer } = await shared();
    for (let counter = 1; counter <= 200; counter++) send(peer, { type: 'presenceOnline', counter });
    send(peer, { type: 'presenceAway', counter: 201 });
    await world.devices.settle();
    expect(world.session.presence).toBe('online');
    await world.devices.advance(1_000);
    send(peer, { type: 'presenceAway', counter: 202 });
    await world.devices.settle();
    expect(world.session.presence).toBe('away');
  });
});
