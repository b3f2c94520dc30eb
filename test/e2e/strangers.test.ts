import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ALPN, CloseCode } from '../../packages/daemon/src/core/wire/frame-types.js';
import { TransportError } from '../../packages/quic/src/index.js';
import { invite, pairDevices, shareFolder, waitForPeers } from '../support/pair-and-share.js';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';
import { WirePeer, WireSession } from '../support/wire-peer.js';

const newDevice = useDevices();

async function newStranger(): Promise<WirePeer> {
  const stranger = await WirePeer.create(testDirectory());
  onTestFinished(() => stranger.close());
  return stranger;
}

describe('an unpaired device', () => {
  test('is refused with close code 4, and not one stream byte comes from the daemon', async () => {
    const device = await newDevice('device');
    const stranger = await newStranger();
    // The dialler may see its own side of TLS done before the refusal arrives.
    const outcome = await stranger.connect(device).then(
      async (connection) => {
        const session = new WireSession(connection);
        const info = await session.closed();
        return { code: info.code, reason: info.reason, received: session.received };
      },
      (error: unknown) => {
        if (!(error instanceof TransportError)) throw error;
        const info = error.details.closeInfo;
        return { code: info?.code, reason: info?.reason ?? '', received: [] };
      },
    );
    expect(outcome).toMatchObject({ code: CloseCode.notPaired, received: [] });
    expect(outcome.reason).not.toContain(device.name);
    expect(await device.status()).toMatchObject({ devices: [] });
  });

  test('cannot even try to pair while no ticket is open', async () => {
    const device = await newDevice('device');
    const stranger = await newStranger();
    await expect(stranger.connect(device, 'landropic-pair/1')).rejects.toMatchObject({
      name: 'TransportError',
    });
    await expect(stranger.connect(device, 'h3')).rejects.toMatchObject({ name: 'TransportError' });
  });
});

describe('unpair', () => {
  test('cuts a live connection at once, and the device is refused from then on', async () => {
    const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
    await pairDevices(a, b);
    await a.ok(['unpair', 'b']);
    expect((await a.status()).devices).toEqual([]);
    await until(async () => !(await b.peer(a)).connected, { what: 'b sees it', timeoutMs: 2_000 });
    await until(async () => /not know/.test((await b.peer(a)).problem ?? ''), {
      what: 'b shows that it is not known any more',
      timeoutMs: 30_000,
    });
    expect((await b.cli(['ping', 'a'])).exitCode).toBe(3);
    expect((await a.cli(['ping', 'b'])).exitCode).toBe(4);
  });

  test('in the middle of a session closes it with code 4', async () => {
    const device = await newDevice('device');
    const peer = await newStranger();
    expect((await peer.redeem(device, await invite(device))).type).toBe('redeemed');
    const session = await peer.open(device);
    await device.ok(['unpair', peer.id]);
    expect(await session.closed()).toMatchObject({ by: 'peer', code: CloseCode.notPaired });
    await expect(
      peer.connect(device, ALPN).then((connection) => new WireSession(connection).closed()),
    ).resolves.toMatchObject({ code: CloseCode.notPaired });
  });

  test('stops the exchange of folders in both directions', async () => {
    const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
    const [left, right] = [a.makeFolder('left'), b.makeFolder('right')];
    await pairDevices(a, b);
    await shareFolder(a, left, b, right);
    writeFileSync(join(left, 'before'), 'x');
    await waitForPeers(a);
    await a.ok(['unpair', 'b']);
    writeFileSync(join(left, 'after'), 'x');
    await a.ok(['folder', 'rescan', 'f']);
    expect((await a.folder('f')).peers).toEqual([]);
    writeFileSync(join(right, 'from b'), 'x');
    expect((await b.cli(['wait', '--folder', 'f', '--timeout', '300ms'])).exitCode).not.toBe(0);
    expect(readdirSync(left)).not.toContain('from b');
    expect(readdirSync(right)).not.toContain('after');
  });
});

describe('a ticket', () => {
  test('that another device has used pairs nobody else, and its own device again', async () => {
    const [a, b, c] = await Promise.all([newDevice('a'), newDevice('b'), newDevice('c')]);
    const ticket = await invite(a);
    await b.ok(['pair', 'accept'], { input: ticket });
    const second = await c.cli(['pair', 'accept'], { input: ticket });
    expect(second).toMatchObject({ exitCode: 4, stdout: '' });
    expect(second.stderr).toMatch(/used/i);
    expect((await c.status()).devices).toEqual([]);
    expect((await a.status()).devices.map((device) => device.name)).toEqual(['b']);
    expect((await b.cli(['pair', 'accept'], { input: ticket })).exitCode).toBe(0);
  });

  test('that has expired pairs nobody', async () => {
    const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
    const ticket = await invite(a, '--ttl', '1ms');
    const result = await b.cli(['pair', 'accept'], { input: ticket });
    // 3 where pairing was closed by then: the inviter does not even answer under that protocol.
    expect([3, 4]).toContain(result.exitCode);
    expect(result.stderr).toMatch(/expired|pair/i);
    expect((await b.status()).devices).toEqual([]);
  });

  test('with a wrong proof pairs nobody, is shown, and does not void the ticket', async () => {
    const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
    const stranger = await newStranger();
    const ticket = await invite(a);
    expect((await stranger.redeem(a, ticket, true)).type).toBe('pairRefused');
    expect((await a.status()).devices).toEqual([]);
    expect((await a.status()).notices.join('\n')).toContain('127.0.0.1');
    expect((await b.cli(['pair', 'accept'], { input: ticket })).exitCode).toBe(0);
  });

  test('for another device than the one that answers pairs nobody', async () => {
    const [a, b] = await Promise.all([newDevice('a'), newDevice('b')]);
    const ticket = await invite(a);
    // The port of the ticket is now another device's, whose certificate is not the one the ticket names.
    await a.stop();
    const impostor = await newDevice('impostor');
    await impostor.stop();
    await impostor.start(a.port);
    const result = await b.cli(['pair', 'accept'], { input: ticket });
    expect(result.exitCode).not.toBe(0);
    expect((await impostor.status()).devices).toEqual([]);
    expect((await b.status()).devices).toEqual([]);
  });

  test('of one’s own is refused', async () => {
    const device = await newDevice('device');
    const result = await device.cli(['pair', 'accept'], { input: await invite(device) });
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toMatch(/this very device/);
  });

  test.each([
    ['cut short', (ticket: string) => ticket.slice(0, -10)],
    ['mistyped', (ticket: string) => ticket.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))],
    ['of a version to come', (ticket: string) => ticket.replace('landropic1:', 'landropic2:')],
  ])('that is %s is wrong usage, and the secret is not repeated', async (_what, change) => {
    const device = await newDevice('device');
    const ticket = await invite(device);
    const result = await device.cli(['pair', 'accept'], { input: change(ticket) });
    expect(result).toMatchObject({ exitCode: 2, stdout: '' });
    expect(result.stderr).not.toContain(ticket.slice(20, 60));
    expect(result.stderr.split('\n').length).toBeLessThanOrEqual(4);
  });
});
