import { describe, expect, test } from 'vitest';
import type { FolderId } from '../core/model/identifiers.js';
import { CloseCode, StreamKind } from '../core/wire/frame-types.js';
import { HandPeer } from './hand-peer.fixture.js';
import { LinkSide } from './link.fixture.js';
import { MemoryDevices } from './memory-devices.fixture.js';
import { indexIdOf } from './session.fixture.js';
import { FakeFolder } from './shared-folder.fixture.js';

const MINUTE_MS = 60_000;

function twoDevices(seed = 1) {
  const devices = new MemoryDevices(seed);
  const [a, b] = [devices.add('a'), devices.add('b')];
  const sides = [new LinkSide(devices, a, b), new LinkSide(devices, b, a)] as const;
  const folders = [
    new FakeFolder('f' as FolderId, indexIdOf('a')),
    new FakeFolder('f' as FolderId, indexIdOf('b')),
  ] as const;
  for (const i of [0, 1] as const) sides[i].folders.set(folders[i].id, folders[i]);
  return { devices, a, b, sides, folders };
}

/** Which connection each side has settled on, and that they agree. */
function agreedRole([left, right]: readonly [LinkSide, LinkSide]): string | undefined {
  const [own, other] = [left.link.session?.connection, right.link.session?.connection];
  expect([left.link.connections, right.link.connections]).toEqual([1, 1]);
  expect(own?.id).toBe(other?.id);
  return own?.role;
}

describe('two devices that dial each other', () => {
  test.each([0, 1, 5, 50, 249])(
    'at the same time, %i ms apart, keep the connection of the smaller ID',
    async (apartMs) => {
      const { devices, sides, folders } = twoDevices();
      sides[1].start();
      await devices.advance(apartMs);
      sides[0].start();
      await devices.advance(1_000);
      // Where the second had not dialled before the first was up, there was nothing to decide.
      const wasRace = sides[0].dials > 0 && sides[1].dials > 0;
      expect(agreedRole(sides)).toBe(wasRace ? 'dialler' : 'acceptor');
      folders[0].write('from a');
      folders[1].write('from b');
      await devices.advance(1_000);
      expect(folders.map(({ paths }) => paths)).toEqual([['from b'], ['from a']]);
      expect([folders[0].links.size, folders[1].links.size]).toEqual([1, 1]);
      const dials = sides[0].dials + sides[1].dials;
      await devices.advance(30 * MINUTE_MS);
      expect(sides[0].dials + sides[1].dials).toBe(dials);
      expect(agreedRole(sides)).toBeDefined();
    },
  );

  test('and lose each other come back, and go on where they were', async () => {
    const { devices, a, b, sides, folders } = twoDevices();
    for (const side of sides) side.start();
    await devices.advance(1_000);
    folders[0].write('one');
    await devices.settle();
    devices.network.cut(a.address.host, b.address.host);
    await devices.advance(2 * MINUTE_MS);
    expect(sides.map(({ link }) => link.session)).toEqual([undefined, undefined]);
    folders[0].write('two');
    devices.network.mend(a.address.host, b.address.host);
    await devices.advance(2 * MINUTE_MS);
    expect(agreedRole(sides)).toBeDefined();
    expect(folders[1].paths).toEqual(['one', 'two']);
    expect(sides[0].events.filter((event) => !/^(up|down|not reached)/.test(event))).toEqual([]);
  });
});

test('a device that was started anew replaces the connection of its last run', async () => {
  const devices = new MemoryDevices();
  const [a, b] = [devices.add('a'), devices.add('b')];
  const side = new LinkSide(devices, a, b);
  const first = await HandPeer.dial(devices, b, a);
  await first.handshake([], { bootId: 'first run' });
  const second = await HandPeer.dial(devices, b, a);
  await second.handshake([], { bootId: 'second run' });
  expect(await first.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.duplicateConnection });
  expect(await second.closeInfo()).toBe('open');
  expect(side.events).toEqual(['up', 'up']);
});

test('of two connections of one run the newer one stays', async () => {
  const devices = new MemoryDevices();
  const [a, b] = [devices.add('a'), devices.add('b')];
  new LinkSide(devices, a, b);
  const older = await HandPeer.dial(devices, b, a);
  const newer = await HandPeer.dial(devices, b, a);
  await newer.handshake([]);
  await older.handshake([]);
  expect(await newer.closeInfo()).toBe('open');
  expect(await older.closeInfo()).toMatchObject({ code: CloseCode.duplicateConnection });
});

describe('dialling', () => {
  test('goes on undisturbed while an incoming connection comes to nothing', async () => {
    const devices = new MemoryDevices();
    const [a, b] = [devices.add('a'), devices.add('b')];
    const side = new LinkSide(devices, a, b);
    side.start();
    await devices.settle();
    // b took the connection and says nothing; meanwhile it dials, and gives that up.
    const incoming = await HandPeer.dial(devices, b, a);
    await incoming.connection.close(CloseCode.goodbye, 'changed its mind');
    await devices.advance(5_000);
    expect(side.dials).toBe(1);
    expect(side.events).toEqual([]);
  });

  test('is left for ten minutes where the peer does not know us, and that is what is shown', async () => {
    const devices = new MemoryDevices();
    const a = devices.add('a');
    const b = devices.add('b', { accepts: () => false });
    const side = new LinkSide(devices, a, b);
    side.start();
    await devices.advance(9 * MINUTE_MS);
    expect(side.link.closeInfo).toMatchObject({ by: 'peer', code: CloseCode.notPaired });
    expect(side.dials).toBe(1);
    await devices.advance(2 * MINUTE_MS);
    expect(side.dials).toBe(2);
    side.link.kick();
    await devices.settle();
    expect(side.dials).toBe(3);
  });

  test('a peer that breaks the protocol each time is dialled ever more rarely', async () => {
    const devices = new MemoryDevices();
    const [a, b] = [devices.add('a'), devices.add('b')];
    const side = new LinkSide(devices, a, b, { random: () => 0.9 });
    b.endpoint.onConnection((connection) => {
      const peer = HandPeer.over(devices, connection);
      void peer.openUni(StreamKind.control, 0x7f, 0, 0, 0, 0).catch(() => {});
    });
    side.start();
    await devices.advance(10 * MINUTE_MS);
    expect(side.dials).toBeGreaterThan(10);
    expect(side.dials).toBeLessThan(25);
    expect(side.events.filter((event) => event.startsWith('violated'))).toHaveLength(side.dials);
  });
});

describe('health', () => {
  /** A connected peer that answers a ping, or does not. */
  async function pinged(answers: () => boolean) {
    const devices = new MemoryDevices();
    const [a, b] = [devices.add('a'), devices.add('b')];
    const side = new LinkSide(devices, a, b);
    const peer = await HandPeer.dial(devices, b, a);
    await peer.handshake([]);
    const answer = async () => {
      for (const { nonce } of peer.framesOf('ping').slice(answered)) {
        answered++;
        if (answers()) await peer.control.send({ type: 'pong', nonce });
      }
    };
    let answered = 0;
    const pass = async (durationMs: number) => {
      for (let passed = 0; passed < durationMs; passed += 1_000) {
        await devices.advance(1_000);
        await answer().catch(() => {});
      }
    };
    return { side, peer, pass };
  }

  test('a peer that hangs is given up after three pings without an answer', async () => {
    const { side, peer, pass } = await pinged(() => false);
    await pass(95_000);
    expect(await peer.closeInfo()).toBe('open');
    // Another is dialled before this one goes, and nobody there says Hello within 10 s.
    await pass(15_000);
    expect(await peer.closeInfo()).toMatchObject({
      code: CloseCode.internalError,
      reason: expect.stringContaining('pings'),
    });
    expect(side.events).toEqual(['up', `down ${CloseCode.internalError}`]);
    expect(peer.framesOf('ping')).toHaveLength(3);
  });

  test('an answer now and then is enough', async () => {
    let pings = 0;
    const { peer, pass } = await pinged(() => ++pings % 3 === 0);
    await pass(20 * MINUTE_MS);
    expect(pings).toBeGreaterThan(30);
    expect(await peer.closeInfo()).toBe('open');
  });
});

test('a link that is stopped closes what it has with the code it is told, and takes nothing more', async () => {
  const { devices, sides, a } = twoDevices();
  for (const side of sides) side.start();
  await devices.advance(1_000);
  void sides[0].link.stop(CloseCode.notPaired, 'not paired');
  await devices.settle();
  expect(sides[1].downs).toMatchObject([{ by: 'peer', code: CloseCode.notPaired }]);
  const late = await HandPeer.dial(devices, devices.add('c'), a);
  await devices.settle();
  expect(await late.closeInfo()).toMatchObject({ code: CloseCode.shuttingDown });
  await devices.advance(5 * MINUTE_MS);
  expect(sides[0].link.connections).toBe(0);
});
