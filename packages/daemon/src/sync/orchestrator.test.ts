import { PeerConnector, type SocketAddress } from '@landropic/quic';
import { describe, expect, test } from 'vitest';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import { ALPN, CloseCode, StreamKind } from '../core/wire/frame-types.js';
import type { FolderRunner } from './folder-runner.js';
import { HandPeer } from './hand-peer.fixture.js';
import { dial, type MemoryDevice, MemoryDevices } from './memory-devices.fixture.js';
import { type KnownDevice, Orchestrator } from './orchestrator.js';
import { indexIdOf, stateOf } from './session.fixture.js';
import { FakeFolder } from './shared-folder.fixture.js';

const f = 'f' as FolderId;

/** One device's orchestrator on a network in memory, with folders that are shared with everybody it knows. */
class Node {
  readonly log: string[] = [];
  readonly known = new Map<DeviceKey, KnownDevice>();
  readonly seen: string[] = [];
  readonly orchestrator: Orchestrator;

  constructor(
    readonly devices: MemoryDevices,
    readonly device: MemoryDevice,
  ) {
    const { clock } = devices;
    const write = (level: string) => (_fields: object, message: string) =>
      this.log.push(`${level} ${message}`);
    this.orchestrator = new Orchestrator({
      ownDevice: device.id,
      identity: () => ({ bootId: `boot of ${device.id}`, name: device.id, software: 't' }),
      clock,
      devices: {
        get: (id) => this.known.get(id),
        list: () => [...this.known.values()],
        seen: (id, name, { host }) => this.seen.push(`${id} ${name} ${host}`),
      },
      newSessionId: () => 'session',
      createConnector: (expected, onConnection, onAttemptFailed) =>
        new PeerConnector(
          {
            endpoint: device.endpoint,
            alpn: ALPN,
            verifyPeer: ([leaf]) => {
              const key = Buffer.from(leaf ?? []).toString();
              return key === expected
                ? { accepted: true, identity: { key } }
                : { accepted: false, closeCode: 4, reason: 'another device' };
            },
            clock: { nowMs: clock.monotonicMs, after: clock.after },
            random: () => 0.5,
          },
          { addresses: [], onConnection, onAttemptFailed },
        ),
      connect: (expected, address, signal) =>
        dial(device.endpoint, address, ALPN, { expects: expected, signal }),
      random: () => 0.5,
      createLoopUtilisation: () => () => 0,
      createExchange: () => ({ client: { request: () => {}, close: () => {} }, serve: async () => {} }),
      log: { info: write('info'), warn: write('warn'), error: write('error') },
    });
    device.endpoint.onConnection((connection) =>
      this.orchestrator.accept(connection.peer.key as DeviceKey, connection),
    );
  }

  pairWith({ id, address }: MemoryDevice, addresses: readonly SocketAddress[] = [address]): void {
    const known = { device: id, name: id, addresses };
    this.known.set(id, known);
    this.orchestrator.addDevice(known);
  }

  share(id: FolderId, indexDigit = 'a'): FakeFolder {
    const folder = new FakeFolder(id, indexIdOf(indexDigit));
    this.orchestrator.addFolder({
      id,
      runner: folder as unknown as FolderRunner,
      disk: { readChunks: async () => [] },
      sharedWith: (device) => this.known.has(device),
    });
    return folder;
  }
}

async function pair() {
  const devices = new MemoryDevices();
  const [a, b] = [new Node(devices, devices.add('a')), new Node(devices, devices.add('b'))];
  a.pairWith(b.device);
  b.pairWith(a.device);
  await devices.advance(1_000);
  return { devices, a, b };
}

async function handPaired() {
  const devices = new MemoryDevices();
  const a = new Node(devices, devices.add('a'));
  const hand = devices.add('hand');
  a.pairWith(hand, []);
  return { devices, a, hand, dial: () => HandPeer.dial(devices, hand, a.device) };
}

describe('offers', () => {
  test('told in the handshake are there, and go when the folder is shared here', async () => {
    const { devices, a, dial } = await handPaired();
    const peer = await dial();
    await peer.handshake([stateOf('f')]);
    expect(a.orchestrator.offers()).toEqual([{ folder: f, label: 'f', device: 'hand', sequence: 0 }]);
    a.share(f);
    expect(a.orchestrator.offers()).toEqual([]);
    await devices.settle();
    expect(a.orchestrator.isExchanging(f, 'hand' as DeviceKey)).toBe(true);
  });

  test('made while connected, and taken back', async () => {
    const { devices, a, b } = await pair();
    b.share(f, 'b');
    await devices.settle();
    expect(a.orchestrator.offers()).toHaveLength(1);
    b.orchestrator.removeFolder(f);
    await devices.settle();
    expect(a.orchestrator.offers()).toEqual([]);
  });
});

test('a folder that one side removes is shown as withdrawn on the other until it is shared again', async () => {
  const { devices, a, b } = await pair();
  const [ofA, ofB] = [a.share(f), b.share(f, 'b')];
  await devices.settle();
  ofA.write('x');
  await devices.settle();
  expect(ofB.paths).toEqual(['x']);
  const isWithdrawn = () => a.orchestrator.isWithdrawn(f, b.device.id);
  expect(isWithdrawn()).toBe(false);
  b.orchestrator.removeFolder(f);
  await devices.settle();
  expect(isWithdrawn()).toBe(true);
  expect(a.orchestrator.isExchanging(f, b.device.id)).toBe(false);
  // What a still shares is an offer to b.
  expect(b.orchestrator.offers()).toMatchObject([{ folder: f, device: 'a' }]);
  const again = b.share(f, 'c');
  await devices.settle();
  expect(isWithdrawn()).toBe(false);
  expect(again.paths).toEqual(['x']);
});

describe('a paused folder', () => {
  test('exchanges nothing either way until it goes on, and the other side knows', async () => {
    const { devices, a, b } = await pair();
    const [ofA, ofB] = [a.share(f), b.share(f, 'b')];
    await devices.settle();
    ofA.isPaused = true;
    a.orchestrator.pauseFolder(f, true);
    await devices.settle();
    expect(b.orchestrator.isPausedThere(f, a.device.id)).toBe(true);
    expect(a.orchestrator.isPausedThere(f, b.device.id)).toBe(false);
    ofA.write('x');
    ofB.write('y');
    await devices.settle();
    expect([...ofA.paths, ...ofB.paths]).toEqual([]);
    a.orchestrator.pauseFolder(f, false);
    await devices.settle();
    expect([ofA.paths, ofB.paths]).toEqual([['y'], ['x']]);
    expect(b.orchestrator.isPausedThere(f, a.device.id)).toBe(false);
  });

  test('is paused from the start where it is taken up later', async () => {
    const { devices, a, b } = await pair();
    const ofB = b.share(f, 'b');
    ofB.write('y');
    await devices.settle();
    const ofA = new FakeFolder(f, indexIdOf('a'));
    ofA.isPaused = true;
    ofA.write('x');
    a.orchestrator.addFolder({
      id: f,
      runner: ofA as unknown as FolderRunner,
      disk: { readChunks: async () => [] },
      sharedWith: () => true,
    });
    await devices.settle();
    expect(a.orchestrator.isExchanging(f, b.device.id)).toBe(true);
    expect(ofB.paths).toEqual([]);
    a.orchestrator.pauseFolder(f, false);
    await devices.settle();
    expect(ofB.paths).toEqual(['x']);
  });
});

describe('an unpaired device', () => {
  test('is cut off with code 4, knows it, and what was stored of it is forgotten', async () => {
    const { devices, a, b } = await pair();
    const folder = a.share(f);
    a.known.delete(b.device.id);
    void a.orchestrator.removeDevice(b.device.id);
    await devices.settle();
    expect(b.orchestrator.problemOf(a.device.id)).toMatch(/does not know us/);
    expect(b.orchestrator.link(a.device.id)?.closeInfo).toMatchObject({
      by: 'peer',
      code: CloseCode.notPaired,
    });
    expect(folder.forgotten).toEqual(['b']);
    expect(a.orchestrator.link(b.device.id)).toBeUndefined();
  });

  test('that dials is refused', async () => {
    const devices = new MemoryDevices();
    const a = new Node(devices, devices.add('a'));
    const stranger = await HandPeer.dial(devices, devices.add('stranger'), a.device);
    await devices.settle();
    expect(await stranger.closeInfo()).toMatchObject({ by: 'peer', code: CloseCode.notPaired });
  });

  test('that is paired again is dialled at once, not ten minutes later', async () => {
    const { devices, a, b } = await pair();
    a.known.delete(b.device.id);
    void a.orchestrator.removeDevice(b.device.id);
    await devices.advance(1_000);
    // Only b dials: a has no address of it.
    a.pairWith(b.device, []);
    b.pairWith(a.device);
    await devices.advance(1_000);
    expect(b.orchestrator.problemOf(a.device.id)).toBeUndefined();
    expect(a.orchestrator.link(b.device.id)?.session).toBeDefined();
  });
});

describe('a device that breaks the protocol', () => {
  async function misbehave(dial: () => Promise<HandPeer>): Promise<void> {
    const peer = await dial();
    await peer.openUni(StreamKind.control, 0x7f, 0, 0, 0, 0).catch(() => {});
  }

  test('is named until it has behaved for a minute', async () => {
    const { devices, a, dial } = await handPaired();
    const problem = () => a.orchestrator.problemOf('hand' as DeviceKey);
    await misbehave(dial);
    await devices.settle();
    expect(problem()).toMatch(/^was disconnected: /);
    const peer = await dial();
    await peer.handshake([]);
    await devices.advance(20_000);
    expect(problem()).toMatch(/^was disconnected: /);
    await devices.advance(41_000);
    expect(await peer.closeInfo()).toBe('open');
    expect(problem()).toBeUndefined();
  });

  test('again and again fills no log', async () => {
    const { devices, a, dial } = await handPaired();
    for (let i = 0; i < 200; i++) await misbehave(dial);
    await devices.settle();
    expect(a.log.filter((line) => line === 'warn a device misbehaves')).toHaveLength(5);
    expect(a.log.length).toBeLessThan(30);
  });

  test('by sending other bytes than announced is named, too', async () => {
    const { a } = await handPaired();
    for (let i = 0; i < 100; i++) a.orchestrator.noteWrongBytes('hand' as DeviceKey, f);
    expect(a.orchestrator.problemOf('hand' as DeviceKey)).toMatch(/does not match its hash \(folder f\)/);
    expect(a.log.length).toBeLessThan(10);
  });
});

test('what a peer gives as its reason shows, and moves no cursor', async () => {
  const { devices, a, dial } = await handPaired();
  const peer = await dial();
  await peer.handshake([]);
  await peer.connection.close(CloseCode.protocolError, 'you\u001b[2J sent\r\nnonsense');
  await devices.settle();
  expect(a.orchestrator.problemOf('hand' as DeviceKey)).toBe('ended the connection: you [2J sent  nonsense');
});

test('where a device was reached is told once it has proven itself', async () => {
  const { a, b } = await pair();
  expect(a.seen).toContain('b b host-b');
  expect(b.seen).toContain('a a host-a');
});
