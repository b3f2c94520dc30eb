import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Content } from '../../packages/daemon/src/core/model/file-entry.js';
import { CloseCode, FrameType } from '../../packages/daemon/src/core/wire/frame-types.js';
import { Limits } from '../../packages/daemon/src/core/wire/limits.js';
import { encodeFrame } from '../../packages/quic/src/index.js';
import { invite } from '../support/pair-and-share.js';
import type { TestDevice } from '../support/test-device.js';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';
import { fileContent, hashOf, wireEntry, wireFolder } from '../support/wire-entry.js';
import { sendForgedFrame, sendFrame, serveChunks, WirePeer, type WireSession } from '../support/wire-peer.js';

const newDevice = useDevices();
let device: TestDevice;
let peer: WirePeer;
let shared: string;
let outside: string;

const evil = Buffer.from('written by a hostile peer');
/** What a well-meaning device could have done as well is not held against it. */
const NO_PROBLEM = /^/;
const DIRECTORY: Content = { type: 'directory' };

/** A paired device that shares a folder with the daemon, and means it no good. */
beforeEach(async () => {
  device = await newDevice('victim');
  peer = await WirePeer.create(testDirectory());
  onTestFinished(() => peer.close());
  shared = device.makeFolder('shared');
  outside = device.makeFolder('outside');
  writeFileSync(join(shared, 'mine.txt'), 'mine');
  await peer.redeem(device, await invite(device));
  await device.ok(['folder', 'add', shared, '--id', 'f', '--share', peer.id]);
});

async function openSession(sequence = 0): Promise<WireSession> {
  const session = await peer.open(device, [wireFolder('f', sequence)]);
  serveChunks(session.connection, new Map([[hashOf(evil), evil]]));
  return session;
}

/** The daemon is unharmed: it answers, its own file stands, and it says in `status` which device did what. */
async function expectUnharmed(problem = /./): Promise<void> {
  const status = await device.status();
  expect(readFileSync(join(shared, 'mine.txt'), 'utf8')).toBe('mine');
  expect(readdirSync(outside)).toEqual([]);
  expect(readdirSync(device.directory).sort()).toEqual(['home', 'outside', 'shared']);
  const { problem: shown } = status.devices.find(({ id }) => id === peer.id) ?? {};
  expect(shown ?? '').toMatch(problem);
}

describe('a peer that breaks the protocol is disconnected, and the daemon goes on', () => {
  test('garbage on the control stream', async () => {
    const session = await openSession();
    await session.control.write(Buffer.from('GET / HTTP/1.1\r\nHost: victim\r\n\r\n'));
    expect(await session.closed()).toMatchObject({ by: 'peer', code: CloseCode.protocolError });
    await expectUnharmed();
  });

  test('a frame whose payload is not CBOR', async () => {
    const session = await openSession();
    await session.control.write(encodeFrame(FrameType.ping, Buffer.from([0xff, 0xff, 0xff])));
    expect(await session.closed()).toMatchObject({ by: 'peer', code: CloseCode.protocolError });
    await expectUnharmed();
  });

  test('an oversized frame, at its header already', async () => {
    const session = await openSession();
    const header = Buffer.alloc(5);
    header[0] = FrameType.goodbye;
    header.writeUInt32BE(Limits.controlFrameBytes + 1, 1);
    await session.control.write(header);
    expect(await session.closed()).toMatchObject({ by: 'peer', code: CloseCode.limitExceeded });
    await expectUnharmed();
  });

  test('a stream of an unknown kind', async () => {
    const session = await openSession();
    const stream = await session.connection.openUni();
    await stream.write(Uint8Array.of(0x7e, 1, 2, 3));
    expect(await session.closed()).toMatchObject({ by: 'peer', code: CloseCode.protocolError });
    await expectUnharmed();
  });

  test('a stream that never says what it is', async () => {
    const session = await openSession();
    await session.connection.openBidi().then((stream) => stream.write(new Uint8Array()));
    const silent = await session.connection.openUni();
    void silent;
    await device.status();
    await expectUnharmed(NO_PROBLEM);
  });

  test('frames before the handshake', async () => {
    const connection = await peer.connect(device);
    const control = await connection.openUni();
    await control.write(Uint8Array.of(0x01));
    await sendFrame(control, { type: 'ping', nonce: 1 });
    const info = await connection.closed;
    expect(info).toMatchObject({ by: 'peer' });
    expect([CloseCode.handshakeFailed, CloseCode.protocolError]).toContain(info.code);
    await expectUnharmed(NO_PROBLEM);
  });

  test('nothing at all: the handshake has a deadline', { timeout: 30_000 }, async () => {
    const connection = await peer.connect(device);
    expect(await connection.closed).toMatchObject({ by: 'peer', code: CloseCode.handshakeTimeout });
  });

  test('entries of a folder that is not shared', async () => {
    const session = await openSession(1);
    const stream = await session.openIndex(wireFolder('secret', 1));
    await sendFrame(stream, {
      type: 'indexEntries',
      folder: wireFolder('secret', 1).folder,
      entries: [{ sequence: 1, entry: wireEntry(peer.id, 'x', 1, DIRECTORY) }],
    });
    await expectUnharmed(NO_PROBLEM);
    expect(existsSync(join(shared, 'x'))).toBe(false);
  });
});

describe('nothing outside the folder is written, whatever path a peer names', () => {
  test.each([
    ['a path with ..', 'aa/evil', '../evil'],
    ['.. in the middle', 'a/bb/cc/evil', 'a/../../evil'],
    ['an absolute path', 'tmp-landropic-evil', '/tmp/landropicevil'],
    ['an empty component', 'ab-evil', 'a//evil'],
    ['a dot component', 'axx-evil', 'ax/./evi'],
    ['a NUL', 'evil0name', 'evil\0name'],
  ])('%s closes the connection', async (_what, harmless, forged) => {
    const session = await openSession(1);
    const stream = await session.openIndex(wireFolder('f', 1));
    const entry = wireEntry(peer.id, harmless, 1, fileContent(evil));
    await sendForgedFrame(
      stream,
      { type: 'indexEntries', folder: wireFolder('f', 1).folder, entries: [{ sequence: 1, entry }] },
      harmless,
      forged,
    );
    expect(await session.closed()).toMatchObject({ by: 'peer', code: CloseCode.protocolError });
    expect(existsSync('/tmp/landropicevil')).toBe(false);
    await expectUnharmed(/path|malformed/);
  });

  test('a path through a symlink that the peer made', async () => {
    const session = await openSession(4);
    const stream = await session.openIndex(wireFolder('f', 4));
    const send = async (path: string, sequence: number, content: Content): Promise<void> =>
      await sendFrame(stream, {
        type: 'indexEntries',
        folder: wireFolder('f', 4).folder,
        entries: [{ sequence, entry: wireEntry(peer.id, path, sequence, content) }],
      });
    await send('link', 1, { type: 'symlink', target: outside });
    await until(() => existsSync(join(shared, 'link')), { what: 'the link itself is placed' });
    await send('link/evil', 2, fileContent(evil));
    await send('link/evil-directory', 3, DIRECTORY);
    await send('sign-of-life', 4, DIRECTORY);
    await until(() => existsSync(join(shared, 'sign-of-life')), { what: 'later entries are applied' });
    await device.ok(['folder', 'rescan', 'f']);
    await expectUnharmed(NO_PROBLEM);
  });

  test('a path through a symlink of the person', async () => {
    symlinkSync(outside, join(shared, 'own-link'));
    await device.ok(['folder', 'rescan', 'f']);
    const session = await openSession(2);
    const stream = await session.openIndex(wireFolder('f', 2));
    await sendFrame(stream, {
      type: 'indexEntries',
      folder: wireFolder('f', 2).folder,
      entries: [
        { sequence: 1, entry: wireEntry(peer.id, 'own-link/evil', 1, fileContent(evil)) },
        { sequence: 2, entry: wireEntry(peer.id, 'sign-of-life', 2, DIRECTORY) },
      ],
    });
    await until(() => existsSync(join(shared, 'sign-of-life')), { what: 'the other entry is applied' });
    await device.ok(['folder', 'rescan', 'f']);
    await expectUnharmed(NO_PROBLEM);
  });

  test('a directory that becomes a symlink while a file goes into it', async () => {
    mkdirSync(join(shared, 'd'));
    await device.ok(['folder', 'rescan', 'f']);
    const session = await openSession(20);
    const stream = await session.openIndex(wireFolder('f', 20));
    for (let sequence = 1; sequence <= 20; sequence++) {
      await sendFrame(stream, {
        type: 'indexEntries',
        folder: wireFolder('f', 20).folder,
        entries: [{ sequence, entry: wireEntry(peer.id, `d/evil-${sequence}`, sequence, fileContent(evil)) }],
      });
      renameSync(join(shared, 'd'), join(device.home, 'aside'));
      symlinkSync(outside, join(shared, 'd'));
      await session.connection.openUni().then((probe) => probe.write(Uint8Array.of(0x04)));
      unlinkSync(join(shared, 'd'));
      renameSync(join(device.home, 'aside'), join(shared, 'd'));
    }
    await device.ok(['folder', 'rescan', 'f']);
    await expectUnharmed(NO_PROBLEM);
  });
});

describe('content that is not what its hash says', () => {
  test('is not placed under its name', async () => {
    const session = await peer.open(device, [wireFolder('f', 2)]);
    const promised = Buffer.from('what was promised');
    serveChunks(session.connection, new Map([[hashOf(promised), evil]]));
    const stream = await session.openIndex(wireFolder('f', 2));
    await sendFrame(stream, {
      type: 'indexEntries',
      folder: wireFolder('f', 2).folder,
      entries: [
        { sequence: 1, entry: wireEntry(peer.id, 'lie.txt', 1, fileContent(promised)) },
        { sequence: 2, entry: wireEntry(peer.id, 'sign-of-life', 2, DIRECTORY) },
      ],
    });
    await until(
      async () => {
        const { devices, folders } = await device.status();
        return (devices[0]?.problem ?? '') !== '' || folders.some(({ problems }) => problems.length > 0);
      },
      { what: 'the lie is shown' },
    );
    expect(existsSync(join(shared, 'lie.txt'))).toBe(false);
    await expectUnharmed(NO_PROBLEM);
  });
});
