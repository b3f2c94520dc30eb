import { encodeFrame } from '@landropic/quic';
import { describe, expect, test } from 'vitest';
import { encodePayload } from '../core/wire/codec.js';
import { CloseCode, FrameType, StreamKind } from '../core/wire/frame-types.js';
import { Limits } from '../core/wire/limits.js';
import type { HandPeer } from './hand-peer.fixture.js';
import { SessionWorld, stateOf } from './session.fixture.js';
import { entryFor } from './shared-folder.fixture.js';

const { protocolError, limitExceeded } = CloseCode;

function entriesFrame(path: string, folder = 'f') {
  const id = stateOf(folder).folder;
  return { type: 'indexEntries', folder: id, entries: [{ sequence: 1, entry: entryFor(path, 1) }] } as const;
}

describe('a peer that breaks the protocol is closed with the code for it, and nothing of it is stored', () => {
  const violations: readonly [string, number, (peer: HandPeer) => Promise<void>][] = [
    [
      'garbage on control',
      protocolError,
      (peer) => peer.control.write(...Buffer.from('GET / HTTP/1.1\r\n\r\n')),
    ],
    ['no CBOR', protocolError, (peer) => peer.control.write(FrameType.ping, 0, 0, 0, 2, 0xff, 0xff)],
    [
      'an oversized frame, by its header alone',
      limitExceeded,
      (peer) => peer.control.write(FrameType.ping, 0xff, 0, 0, 0),
    ],
    ['a frame of an index on control', protocolError, (peer) => peer.control.send(entriesFrame('x'))],
    ['a second Hello', protocolError, async (peer) => void (await peer.openUni(StreamKind.control))],
    ['the end of the control stream', protocolError, async (peer) => void peer.control.stream.finish()],
    ['a reset of the control stream', protocolError, async (peer) => peer.control.stream.reset(1)],
    ['an unknown kind of stream', protocolError, async (peer) => void (await peer.openUni(0x7e))],
    [
      'a pairing stream',
      protocolError,
      async (peer) => (await peer.connection.openBidi()).write(Uint8Array.of(0x20)),
    ],
    ['a chunk stream in one direction', protocolError, async (peer) => void (await peer.openUni(0x10))],
    [
      'a stream that ends before its kind',
      protocolError,
      async (peer) => void (await peer.openUni()).stream.finish(),
    ],
    ['a shard beyond 7', protocolError, async (peer) => void (await peer.openUni(StreamKind.indexShard, 8))],
    [
      'chunks on an index stream',
      protocolError,
      async (peer) => void (await peer.openUni(StreamKind.indexShard, 0, FrameType.chunk, 0, 0, 0, 1, 0)),
    ],
    [
      'entries before their start',
      protocolError,
      async (peer) => {
        await (await peer.openUni(StreamKind.indexShard, 0)).send(entriesFrame('x'));
      },
    ],
    [
      'entries of a folder that is not shared',
      protocolError,
      async (peer) => {
        await (await peer.openIndex(stateOf('secret'))).send(entriesFrame('x', 'secret'));
      },
    ],
    [
      'entries of another index than announced',
      protocolError,
      async (peer) => {
        await peer.openIndex({ ...stateOf('f'), indexId: 'cccccccccccccccc' as never });
      },
    ],
    [
      'a path with ..',
      protocolError,
      async (peer) => {
        const index = await peer.openIndex(stateOf('f'));
        const { frameType, payload } = encodePayload(entriesFrame('aa/evil'));
        const at = Buffer.from(payload).indexOf('aa/evil');
        Buffer.from(payload.buffer, payload.byteOffset).write('../evil', at);
        await index.stream.write(encodeFrame(frameType, payload));
      },
    ],
    [
      'garbage as receipt',
      protocolError,
      async (peer) => {
        await (await peer.openUni(StreamKind.receipts)).write(FrameType.durable, 0, 0, 0, 1, 0x80);
      },
    ],
    [
      'more folders than any device has',
      limitExceeded,
      async (peer) => {
        for (let i = 0; i <= Limits.foldersPerDevice; i++)
          await peer.control.send({ type: 'folderOffer', state: stateOf(`folder-${i}`) });
      },
    ],
  ];

  test.each(violations)('%s', async (_what, code, act) => {
    const world = new SessionWorld();
    const folder = world.share('f');
    const peer = await world.established([stateOf('f')]);
    expect(world.events).toEqual(['established', 'shared f']);
    await act(peer);
    await world.devices.advance(200);
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code });
    expect(world.events.filter((event) => event.startsWith('violated: '))).toHaveLength(1);
    expect(world.events.filter((event) => event.startsWith('failed'))).toEqual([]);
    expect(folder.received).toEqual([]);
    expect(folder.links.size).toBe(0);
  });

  test('what is wrong is told without what was sent', async () => {
    const world = new SessionWorld();
    const peer = await world.established();
    await (await peer.openIndex(stateOf('secret'))).send(entriesFrame('private', 'secret'));
    await world.devices.settle();
    expect(JSON.stringify([world.events, await peer.closeInfo()])).not.toMatch(/private|secret/);
  });
});

describe('the handshake', () => {
  test('ends after ten seconds, and is not taken for a violation', async () => {
    const world = new SessionWorld();
    const peer = await world.dialled();
    await world.devices.advance(9_900);
    expect(await peer.closeInfo()).toBe('open');
    await world.devices.advance(200);
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.handshakeTimeout });
    expect(world.events).toEqual([]);
  });

  test('out of order names the device', async () => {
    const world = new SessionWorld();
    const peer = await world.dialled();
    await (await peer.openUni(StreamKind.control)).send({ type: 'ping', nonce: 1 });
    await world.devices.settle();
    expect(await peer.closeInfo()).toMatchObject({ code: protocolError });
    expect(world.events).toEqual([expect.stringMatching(/^violated: .*ping.*out of order/)]);
  });

  test('no stream is served before the connection was chosen', async () => {
    const world = new SessionWorld();
    world.chooses = false;
    const folder = world.share('f');
    const peer = await world.established([stateOf('f')]);
    await (await peer.connection.openBidi()).write(Uint8Array.of(StreamKind.chunks));
    await (await peer.openIndex(stateOf('f'))).send(entriesFrame('x'));
    await world.devices.advance(30_000);
    expect(world.events).toEqual(['established']);
    expect(folder.received).toEqual([]);
    world.session.activate();
    await world.devices.settle();
    expect(world.events).toEqual(['established', 'shared f', 'serves chunks']);
    expect(folder.paths).toEqual(['x']);
  });
});

describe('pings', () => {
  test('are answered, and measured in time of the clock', async () => {
    const world = new SessionWorld();
    const peer = await world.established();
    await peer.control.send({ type: 'ping', nonce: 77 });
    const measured = world.session.ping(1_000);
    await world.devices.settle();
    expect(peer.framesOf('pong')).toEqual([{ type: 'pong', nonce: 77 }]);
    const [ping] = peer.framesOf('ping');
    await world.devices.advance(100);
    await peer.control.send({ type: 'pong', nonce: ping?.nonce ?? -1 });
    await world.devices.settle();
    expect(await measured).toBeGreaterThan(100);
    expect(world.session.rttMs).toBe(await measured);
  });

  test('end with the session', async () => {
    const world = new SessionWorld();
    const peer = await world.established();
    const measured = expect(world.session.ping(1_000)).rejects.toMatchObject({ code: 'ended' });
    await peer.connection.close(CloseCode.goodbye, 'bye');
    await world.devices.settle();
    await measured;
    await expect(world.session.ping(1_000)).rejects.toMatchObject({ code: 'ended' });
  });
});

test('what fails here is not told as the peer’s doing', async () => {
  const world = new SessionWorld();
  const folder = world.share('f');
  folder.receive = () => {
    throw new Error('the index is full');
  };
  const peer = await world.established([stateOf('f')]);
  await (await peer.openIndex(stateOf('f'))).send(entriesFrame('x'));
  await world.devices.settle();
  expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.internalError, reason: 'internal error' });
  expect(world.events.slice(2)).toEqual(['failed: Error: the index is full']);
});

test('a goodbye goes out before a clean close', async () => {
  const world = new SessionWorld();
  const peer = await world.established();
  void world.session.close(CloseCode.shuttingDown, 'shutting down');
  await world.devices.settle();
  expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.shuttingDown });
});
