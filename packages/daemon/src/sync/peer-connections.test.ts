import { type BidiStream, type Connection, type ConnectionPoolOptions, fileSync } from '@landropic/quic';
import { describe, expect, test } from 'vitest';
import type { FolderId } from '../core/model/identifiers.js';
import { CloseCode, StreamKind } from '../core/wire/frame-types.js';
import { HandPeer } from './hand-peer.fixture.js';
import { LinkSide } from './link.fixture.js';
import { MemoryDevices } from './memory-devices.fixture.js';
import { indexIdOf, stateOf } from './session.fixture.js';
import { FakeFolder } from './shared-folder.fixture.js';

const KIB = 1024;
/** Far apart, and little may be under way: one connection fills no link. */
const NARROW = {
  ...fileSync,
  initialConnectionWindowBytes: 64 * KIB,
  initialStreamWindowBytes: 64 * KIB,
};

/** Two devices with a session between them; what either sends on a stream for chunks the other takes and throws away. */
async function connected(options: { readonly pool?: ConnectionPoolOptions } = {}) {
  const devices = new MemoryDevices();
  const [a, b] = [devices.add('a', { profile: NARROW }), devices.add('b', { profile: NARROW })];
  devices.network.setConditions(a.address.host, b.address.host, { latencyMs: 20 });
  const sides = [new LinkSide(devices, a, b, options), new LinkSide(devices, b, a, options)] as const;
  for (const side of sides) {
    side.exchange = () => ({
      client: { request: () => {}, close: () => {} },
      serve: async (stream: BidiStream) => {
        while ((await stream.read()) !== null);
        await stream.finish();
      },
    });
    const folder = new FakeFolder('f' as FolderId, indexIdOf(side === sides[0] ? 'a' : 'b'));
    side.folders.set(folder.id, folder);
  }
  sides[0].start();
  await devices.advance(1_000);
  return { devices, a, b, sides, upload: new Upload(devices) };
}

/** Sends on streams for chunks as fast as they take it, over all connections that there are. */
class Upload {
  private isOver = false;
  sentBytes = 0;

  constructor(private readonly devices: MemoryDevices) {}

  /** On every connection of the side, those that come later as well. */
  start(connections: () => readonly Connection[]): void {
    const busy = new Set<Connection>();
    const look = (): void => {
      if (this.isOver) return;
      for (const connection of connections()) {
        if (busy.has(connection)) continue;
        busy.add(connection);
        void this.fill(connection).catch(() => {});
      }
      this.devices.clock.after(100, look);
    };
    look();
  }

  stop(): void {
    this.isOver = true;
  }

  private async fill(connection: Connection): Promise<void> {
    const stream = await connection.openBidi({ urgency: 5 });
    await stream.write(Uint8Array.of(StreamKind.chunks));
    const block = new Uint8Array(32 * KIB);
    while (!this.isOver) {
      await stream.write(block);
      this.sentBytes += block.length;
    }
    await stream.finish();
  }
}

function shapeOf(side: LinkSide): string {
  return (side.link.pool()?.connections ?? []).map(({ role, state }) => `${role}:${state}`).join(' ');
}

/** Connections of one side, as the network has them. */
function openOf(side: LinkSide): readonly Connection[] {
  return side.opened.filter((connection) => side.isOpen(connection));
}

describe('connections for data', () => {
  test('are opened by the side whose bytes wait, counted by both, and closed after 300 s without use', async () => {
    const { devices, sides, upload } = await connected();
    const [a, b] = sides;
    expect([shapeOf(a), shapeOf(b)]).toEqual(['primary:ready', 'primary:ready']);
    upload.start(() => openOf(b));
    await devices.advance(60_000);
    const all = 'primary:ready data:ready data:ready data:ready';
    expect([shapeOf(a), shapeOf(b)]).toEqual([all, all]);
    expect([a.link.connections, b.link.connections]).toEqual([4, 4]);
    expect(b.link.pool()?.connections.map(({ dialledHere }) => dialledHere)).toEqual([
      false,
      true,
      true,
      true,
    ]);
    upload.stop();
    await devices.advance(330_000);
    expect([shapeOf(a), shapeOf(b)]).toEqual(['primary:ready', 'primary:ready']);
    expect([a.events, b.events]).toEqual([['up'], ['up']]);
  });

  test('are not opened while the event loop is the limit', async () => {
    const { devices, sides, upload } = await connected();
    sides[1].loopUtilisation = 0.9;
    upload.start(() => openOf(sides[1]));
    await devices.advance(60_000);
    expect(upload.sentBytes).toBeGreaterThan(10_000 * KIB);
    expect(shapeOf(sides[1])).toBe('primary:ready');
  });

  test('end with the primary session', async () => {
    const { devices, sides, upload } = await connected();
    upload.start(() => openOf(sides[1]));
    await devices.advance(30_000);
    expect(sides[0].link.connections).toBeGreaterThan(1);
    const gone = openOf(sides[0]);
    void sides[0].link.session?.connection.close(CloseCode.internalError, 'broken');
    await devices.advance(100);
    for (const connection of gone) expect(sides[0].isOpen(connection)).toBe(false);
    await devices.advance(2_000);
    expect([shapeOf(sides[0]), shapeOf(sides[1])]).toEqual(['primary:ready', 'primary:ready']);
  });

  test('end at once when the device is cut off, and with the link', async () => {
    const { devices, sides, upload } = await connected();
    upload.start(() => openOf(sides[1]));
    await devices.advance(30_000);
    const there = openOf(sides[0]);
    void sides[0].link.stop(CloseCode.notPaired, 'not paired');
    await devices.advance(100);
    for (const connection of there)
      expect(await connection.closed).toMatchObject({ code: CloseCode.notPaired });
    expect(sides[0].link.connections).toBe(0);
    await devices.advance(60_000);
    expect(sides[0].link.connections).toBe(0);
  });

  test('take their time when both sides take leave', async () => {
    const { devices, sides, upload } = await connected();
    upload.start(() => openOf(sides[1]));
    await devices.advance(30_000);
    upload.stop();
    let isStopped = false;
    void sides[0].link.stop(CloseCode.shuttingDown, 'shutting down').then(() => {
      isStopped = true;
    });
    await devices.advance(7_000);
    expect(isStopped).toBe(true);
    expect(sides[0].link.connections).toBe(0);
    expect(sides[0].events.filter((event) => event.startsWith('violated'))).toEqual([]);
  });
});

describe('a primary connection whose keys are nearly used up', () => {
  test('is replaced by the side that dialled it, the new one up before it goes', async () => {
    const { devices, sides, upload } = await connected({ pool: { maxPacketsPerKey: 2_000 } });
    const first = sides[0].link.session;
    upload.start(() => openOf(sides[1]).slice(0, 1));
    await devices.advance(60_000);
    const now = sides[0].link.session;
    expect(now).not.toBe(first);
    expect(now?.connection.id).toBe(sides[1].link.session?.connection.id);
    expect(await first?.connection.closed).toMatchObject({ code: CloseCode.duplicateConnection });
    expect(first?.connection.stats().packetsOut).toBeLessThan(2_000);
    expect(first?.connection.stats().packetsIn).toBeLessThan(2_000);
    for (const side of sides) expect(new Set(side.events)).toEqual(new Set(['up']));
    expect([...sides[0].folders.values()].map(({ links }) => links.size)).toEqual([1]);
  });
});

describe('a peer that dials for data', () => {
  async function withPrimary() {
    const devices = new MemoryDevices();
    const [a, b] = [devices.add('a'), devices.add('b')];
    const side = new LinkSide(devices, a, b);
    const dial = () => HandPeer.dial(devices, b, a);
    const primary = await dial();
    await primary.handshake([]);
    const data = async (bootId?: string) => {
      const peer = await dial();
      await peer.handshake([], { role: 'data', ...(bootId === undefined ? {} : { bootId }) });
      return peer;
    };
    return { devices, side, primary, data, dial };
  }

  test('is let in beside its primary session, up to a bound, and told of no folder', async () => {
    const { side, primary, data } = await withPrimary();
    side.folders.set('f' as FolderId, new FakeFolder('f' as FolderId, indexIdOf('a')));
    const peers = [];
    for (let i = 0; i < 6; i++) peers.push(await data());
    const ends = await Promise.all(peers.map((peer) => peer.closeInfo()));
    expect(ends.slice(0, 4)).toEqual(['open', 'open', 'open', 'open']);
    for (const end of ends.slice(4)) expect(end).toMatchObject({ code: CloseCode.limitExceeded });
    expect(peers[0]?.framesOf('authOk').map(({ folders }) => folders)).toEqual([[]]);
    expect(await primary.closeInfo()).toBe('open');
    expect(side.events).toEqual(['up']);
    expect(side.link.connections).toBe(5);
  });

  test('is refused without a primary session, or with that of another run', async () => {
    const devices = new MemoryDevices();
    const [a, b] = [devices.add('a'), devices.add('b')];
    const side = new LinkSide(devices, a, b);
    const early = await HandPeer.dial(devices, b, a);
    await early.handshake([], { role: 'data' });
    expect(await early.closeInfo()).toMatchObject({ code: CloseCode.handshakeFailed });
    const primary = await HandPeer.dial(devices, b, a);
    await primary.handshake([]);
    const foreign = await HandPeer.dial(devices, b, a);
    await foreign.handshake([], { role: 'data', bootId: 'another run' });
    expect(await foreign.closeInfo()).toMatchObject({ code: CloseCode.handshakeFailed });
    expect(await primary.closeInfo()).toBe('open');
    expect(side.link.connections).toBe(1);
  });

  test('gets its pings answered, and an end when it says goodbye', async () => {
    const { devices, data } = await withPrimary();
    const peer = await data();
    await peer.control.send({ type: 'ping', nonce: 7 });
    await devices.settle();
    expect(peer.framesOf('pong')).toMatchObject([{ nonce: 7 }]);
    await peer.control.send({ type: 'goodbye', reason: 'idle' });
    await devices.settle();
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.goodbye });
  });

  test.each([
    ['an index stream', (peer: HandPeer) => peer.openIndex(stateOf('f'))],
    ['a stream of receipts', (peer: HandPeer) => peer.openUni(StreamKind.receipts)],
    ['a second control stream', (peer: HandPeer) => peer.openUni(StreamKind.control)],
    [
      'an offer of a folder',
      (peer: HandPeer) => peer.control.send({ type: 'folderOffer', state: stateOf('f') }),
    ],
    ['a second Hello', (peer: HandPeer) => peer.control.send({ type: 'auth', folders: [] })],
  ])('breaks the protocol with %s', async (_, breaks) => {
    const { devices, side, primary, data } = await withPrimary();
    const peer = await data();
    await breaks(peer);
    await devices.settle();
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.protocolError });
    expect(await primary.closeInfo()).toBe('open');
    expect(side.events.filter((event) => event.startsWith('violated'))).toHaveLength(1);
  });

  test('breaks the protocol when it tells of folders', async () => {
    const { dial } = await withPrimary();
    const peer = await dial();
    await peer.handshake([stateOf('f')], { role: 'data' });
    expect(await peer.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.protocolError });
  });
});
