import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { FolderId } from '../../packages/daemon/src/core/model/identifiers.js';
import { decodePayload } from '../../packages/daemon/src/core/wire/codec.js';
import { CloseCode, StreamKind } from '../../packages/daemon/src/core/wire/frame-types.js';
import { frameLimit } from '../../packages/daemon/src/core/wire/limits.js';
import { readFrames } from '../../packages/quic/src/index.js';
import { invite } from '../support/pair-and-share.js';
import type { TestDevice } from '../support/test-device.js';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';
import { hashOf, wireFolder } from '../support/wire-entry.js';
import { sendFrame, sendKind, WirePeer, WireSession } from '../support/wire-peer.js';

const newDevice = useDevices();
let device: TestDevice;
let peer: WirePeer;

const content = Buffer.from('what the daemon has');

beforeEach(async () => {
  device = await newDevice('daemon');
  peer = await WirePeer.create(testDirectory());
  onTestFinished(() => peer.close());
  const shared = device.makeFolder('shared');
  writeFileSync(join(shared, 'mine.txt'), content);
  await peer.redeem(device, await invite(device));
  await device.ok(['folder', 'add', shared, '--id', 'f', '--share', peer.id]);
});

async function shownRoles(): Promise<readonly string[]> {
  const { devices } = await device.status();
  const { pool } = devices.find(({ id }) => id === peer.id) ?? {};
  return pool?.connections.map(({ role, state }) => `${role} ${state}`) ?? [];
}

/** Asks for the file's only chunk, and gives its bytes. */
async function askForChunk({ connection }: WireSession): Promise<Uint8Array | undefined> {
  const stream = await connection.openBidi();
  await sendKind(stream, StreamKind.chunks);
  const chunks = [hashOf(content)];
  await sendFrame(stream, { type: 'chunkRequest', requestId: 1, folder: 'f' as FolderId, chunks });
  for await (const raw of readFrames(stream, (type) => frameLimit(StreamKind.chunks, type))) {
    const frame = decodePayload(raw.type, raw.payload);
    return frame?.type === 'chunk' ? frame.bytes : undefined;
  }
  return undefined;
}

test('a connection for data serves chunks beside its primary, is shown in status, and ends with it', async () => {
  const primary = await peer.open(device, [wireFolder('f', 0)]);
  const data = await peer.open(device, [], 'data');
  expect(Buffer.from((await askForChunk(data)) ?? [])).toEqual(content);
  expect(await shownRoles()).toEqual(['primary ready', 'data ready']);

  const breaking = await peer.open(device, [], 'data');
  await breaking.openIndex(wireFolder('f', 0));
  expect(await breaking.closed()).toMatchObject({ by: 'peer', code: CloseCode.protocolError });
  await until(async () => (await shownRoles()).length === 2, {
    what: 'the broken connection goes from status',
  });

  await primary.connection.close(CloseCode.internalError, 'broken');
  expect(await data.closed()).toMatchObject({ by: 'peer', code: CloseCode.goodbye });
  expect(await shownRoles()).toEqual([]);
});

test('a connection for data without a primary is refused', async () => {
  const data = new WireSession(await peer.connect(device));
  // The refusal may come at any point of the handshake.
  data.handshake([], 'data').catch(() => {});
  expect(await data.closed()).toMatchObject({ by: 'peer', code: CloseCode.handshakeFailed });
});
