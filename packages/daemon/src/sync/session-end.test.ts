import { describe, expect, test } from 'vitest';
import type { ContentHash } from '../core/model/identifiers.js';
import { CloseCode, StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import type { HandPeer } from './hand-peer.fixture.js';
import { SessionWorld, stateOf } from './session.fixture.js';

const f = stateOf('f').folder;
const chunk = 'ab'.repeat(32) as ContentHash;

const hello = (versions: readonly number[], features: readonly string[] = []): Frame => ({
  type: 'hello',
  versions,
  bootId: 'boot of hand',
  role: 'primary',
  name: 'hand',
  software: 't',
  features,
});

describe('versions', () => {
  test('none in common: that is said before the connection closes with 1', async () => {
    const world = new SessionWorld();
    const peer = await world.dialled();
    await (await peer.openUni(StreamKind.control)).send(hello([2, 77]));
    await world.devices.settle();
    expect(peer.framesOf('helloAck')).toMatchObject([{ version: undefined }]);
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.handshakeFailed });
    expect(world.events).toEqual([expect.stringMatching(/^violated: no version .* in common/)]);
  });

  test('unknown ones beside a known one, unknown features and unknown fields are passed over', async () => {
    const world = new SessionWorld();
    const peer = await world.dialled();
    const control = await peer.openUni(StreamKind.control);
    await control.send(hello([1, 99], ['time-travel']), [[0xe0, 'what']]);
    await control.write(0xe5, 0, 0, 0, 3, 0xff, 0xff, 0xff);
    await world.devices.settle();
    expect(peer.framesOf('helloAck')).toMatchObject([{ version: 1, features: [] }]);
    await control.send({ type: 'auth', folders: [] }, [[0xef, null]]);
    await world.devices.settle();
    expect(world.events).toEqual(['established']);
    expect(world.session.peer?.features).toEqual([]);
  });
});

describe('the times of a connection', () => {
  test('the whole handshake has 10 s, however far it came', async () => {
    const world = new SessionWorld();
    const peer = await world.dialled();
    await world.devices.advance(5_000);
    await (await peer.openUni(StreamKind.control)).send(hello([1]));
    await world.devices.advance(4_900);
    expect(peer.framesOf('helloAck')).toHaveLength(1);
    expect(await peer.closeInfo()).toBe('open');
    await world.devices.advance(200);
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.handshakeTimeout });
    expect(peer.framesOf('error')).toMatchObject([{ code: CloseCode.handshakeTimeout }]);
  });

  test('a stream has 1 s to say its kind, before and after the handshake', async () => {
    for (const isEstablished of [false, true]) {
      const world = new SessionWorld();
      const peer = isEstablished ? await world.established() : await world.dialled();
      world.openSilently();
      await world.devices.advance(900);
      expect(await peer.closeInfo()).toBe('open');
      await world.devices.advance(200);
      expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.protocolError });
    }
  });
});

describe('who breaks the protocol', () => {
  test('is told by an Error, and then by the close', async () => {
    const world = new SessionWorld();
    const peer = await world.established();
    await peer.control.send(hello([1]));
    await world.devices.settle();
    const text = 'a hello frame after the handshake';
    expect(peer.framesOf('error')).toEqual([{ type: 'error', code: CloseCode.protocolError, text }]);
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.protocolError, reason: text });
  });

  test.each(['hello', 'helloAck', 'auth', 'authOk', 'authFailed'] as const)(
    'does so with %s after the handshake',
    async (type) => {
      const world = new SessionWorld();
      const peer = await world.established();
      const rest = { ...hello([1]), version: 1, sessionId: 's', folders: [], reason: '', type };
      await peer.control.send(rest as unknown as Frame);
      await world.devices.settle();
      expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.protocolError });
    },
  );

  test('is told nothing but the close before it has said Hello', async () => {
    const world = new SessionWorld();
    const peer = await world.dialled();
    await (await peer.openUni(StreamKind.control)).send({ type: 'ping', nonce: 1 });
    await world.devices.settle();
    expect(peer.received).toEqual([]);
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.protocolError });
  });
});

test('an Error of the peer is shown as what it reported', async () => {
  const world = new SessionWorld();
  const peer = await world.established();
  await peer.control.send({ type: 'error', code: 3, text: 'a frame \u001b[2J too many' });
  await world.devices.settle();
  expect(world.events.at(-1)).toMatch(/^reported: a frame .*too many$/);
  expect(world.events.at(-1)).not.toContain('\u001b');
  expect(await peer.closeInfo()).toBe('open');
});

describe('Goodbye', () => {
  async function leaving(prepare: (world: SessionWorld) => void = () => {}) {
    const world = new SessionWorld();
    const folder = world.share('f');
    const peer = await world.established([stateOf('f')]);
    prepare(world);
    let isOver = false;
    void world.session.leave().then(() => {
      isOver = true;
    });
    await world.devices.settle();
    return { world, folder, peer, isOver: () => isOver };
  }

  const ask = (world: SessionWorld, folder = world.folders.get(f)) => {
    const answers: string[] = [];
    folder?.links.get('hand' as never)?.request(f, [chunk], {
      chunk: () => answers.push('chunk'),
      missing: () => answers.push('missing'),
    });
    return answers;
  };

  test('with nothing under way is said, and the connection closes with 0', async () => {
    const { peer, isOver } = await leaving();
    expect(peer.framesOf('goodbye')).toHaveLength(1);
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.goodbye });
    expect(isOver()).toBe(true);
  });

  test('lets what was asked for come first', async () => {
    const { world, peer } = await leaving((before) => ask(before));
    await world.devices.advance(3_000);
    expect(peer.framesOf('goodbye')).toHaveLength(1);
    expect(await peer.closeInfo()).toBe('open');
    world.requests[0]?.chunk(0, new Uint8Array(1), () => {});
    await world.devices.advance(100);
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.goodbye });
  });

  test('lets the peer have what it asked for, and asks and sends nothing more itself', async () => {
    const { world, folder, peer } = await leaving((before) => {
      before.serving = 1;
    });
    expect(ask(world)).toEqual(['missing']);
    expect(world.requests).toEqual([]);
    folder.write('new');
    await world.devices.advance(1_000);
    expect(peer.framesOf('indexEntries')).toEqual([]);
    expect(await peer.closeInfo()).toBe('open');
    world.serving = 0;
    await world.devices.advance(100);
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.goodbye });
  });

  test('waits no longer than 5 s: then the connection closes with 6', async () => {
    const { world, peer } = await leaving((before) => {
      before.serving = 1;
    });
    await world.devices.advance(4_900);
    expect(await peer.closeInfo()).toBe('open');
    await world.devices.advance(200);
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.shuttingDown });
  });

  test('of the peer: nothing more is asked of it or sent to it, and 6 s later it is gone', async () => {
    const world = new SessionWorld();
    const folder = world.share('f');
    const peer = await world.established([stateOf('f')]);
    await peer.control.send({ type: 'goodbye', reason: 'shutting down' });
    await world.devices.settle();
    expect(ask(world)).toEqual(['missing']);
    folder.write('new');
    await world.devices.advance(5_500);
    expect(peer.framesOf('indexEntries')).toEqual([]);
    expect(await peer.closeInfo()).toBe('open');
    await world.devices.advance(1_000);
    expect(await peer.closeInfo()).toMatchObject({ code: CloseCode.goodbye });
  });
});

test('an offer that is not wanted is declined, and may come again', async () => {
  const world = new SessionWorld();
  const peer = await world.established([stateOf('f')]);
  world.session.folders.decline(f);
  world.session.folders.decline(f);
  await world.devices.settle();
  expect(peer.framesOf('folderDecline')).toEqual([{ type: 'folderDecline', folder: f }]);
  await peer.control.send({ type: 'folderOffer', state: stateOf('f') });
  await world.devices.settle();
  expect(world.events.filter((event) => event === 'offered f')).toHaveLength(2);
});

test('a folder that the peer declines is shared no more', async () => {
  const world = new SessionWorld();
  world.share('f');
  const peer = await world.established([stateOf('f')]);
  await peer.control.send({ type: 'folderDecline', folder: f });
  await world.devices.settle();
  expect(world.events.at(-1)).toBe('withdrawn f');
  expect(world.session.folders.isOpen(f)).toBe(false);
});

describe('grease', () => {
  /** Under 0.5, so that everything that is left to chance happens; not always the same. */
  function chances(): () => number {
    let i = 0;
    return () => [0.1, 0.3, 0.45, 0.02][i++ % 4] ?? 0;
  }

  test('is sent, and a session with it is like one without', async () => {
    const world = new SessionWorld();
    world.random = chances();
    const folder = world.share('f');
    folder.write('ours');
    const peer = await world.established([stateOf('f')]);
    expect(peer.skipped.length).toBeGreaterThanOrEqual(2);
    for (const type of peer.skipped) expect(type & 0xf0).toBe(0xe0);
    expect(peer.framesOf('helloAck')).toHaveLength(1);
    expect(peer.framesOf('indexEntries')).toHaveLength(1);
    expect(peer.framesOf('shardAssignment')).toHaveLength(1);
    expect(await peer.closeInfo()).toBe('open');
  });

  test('of the peer is passed over on every stream', async () => {
    const world = new SessionWorld();
    const folder = world.share('f');
    const peer = await world.established([stateOf('f')]);
    const grease = (at: HandPeer['control']) => at.write(0xe9, 0, 0, 0, 2, 1, 2);
    const index = await peer.openIndex(stateOf('f'));
    const receipts = await peer.openUni(StreamKind.receipts);
    for (const stream of [peer.control, index, receipts]) await grease(stream);
    await index.send({ type: 'indexEnd', folder: f, upToSequence: 4 });
    await world.devices.settle();
    expect(peer.framesOf('durable').at(-1)).toMatchObject({ sequence: 4 });
    expect(folder.links.size).toBe(1);
  });
});
