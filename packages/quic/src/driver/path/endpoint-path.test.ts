import { afterEach, describe, expect, it } from 'vitest';
import { createSelfSignedCredentials } from '../../testing/index.js';
import type { Endpoint } from '../../transport.js';
import { ALPN, acceptAnyone, dial, EndpointSet, echo, serveEcho } from '../endpoint.fixture.js';
import { MAX_PACKET_BYTES, MIN_PACKET_BYTES } from '../quiche-binding.js';
import { startUdpRelay, type UdpRelay } from '../udp-relay.fixture.js';

const endpoints = new EndpointSet();
let relay: UdpRelay | undefined;

afterEach(async () => {
  await endpoints.closeAll();
  relay?.stop();
  relay = undefined;
});

async function startThroughRelay(): Promise<{ dialler: Endpoint; acceptor: Endpoint; way: UdpRelay }> {
  const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
  serveEcho(acceptor);
  const way = await startUdpRelay(acceptor.localAddress);
  relay = way;
  return { dialler, acceptor, way };
}

describe('packet size', () => {
  it('begins small and grows to what the path carries', async () => {
    const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
    serveEcho(acceptor);
    const connection = await dial(dialler, acceptor.localAddress);
    expect(connection.stats().packetSizeBytes).toBe(MIN_PACKET_BYTES);
    while (connection.stats().packetSizeBytes === MIN_PACKET_BYTES) await echo(connection, 100);
    expect(connection.stats().packetSizeBytes).toBe(MAX_PACKET_BYTES);
  });

  it('stays within what it was told', async () => {
    const dialler = await endpoints.create({ maxPacketBytes: 1_350 });
    const acceptor = await endpoints.create();
    serveEcho(acceptor);
    const connection = await dial(dialler, acceptor.localAddress);
    while (connection.stats().packetSizeBytes === MIN_PACKET_BYTES) await echo(connection, 100);
    expect(connection.stats().packetSizeBytes).toBe(1_350);
  });

  it('finds the largest that gets through', async () => {
    const { dialler, way } = await startThroughRelay();
    way.setFilter((_direction, datagram) => datagram.length <= 1_400);
    const connection = await dial(dialler, way.address);
    expect(await echo(connection, 300_000)).toBe(300_000);
    while (connection.stats().packetSizeBytes === MIN_PACKET_BYTES) await echo(connection, 100);
    expect(connection.stats().packetSizeBytes).toBe(1_392);
    expect(await echo(connection, 300_000)).toBe(300_000);
  });

  it('falls back when large packets stop getting through', async () => {
    const { dialler, way } = await startThroughRelay();
    const connection = await dial(dialler, way.address);
    while (connection.stats().packetSizeBytes === MIN_PACKET_BYTES) await echo(connection, 100);
    expect(await echo(connection, 300_000)).toBe(300_000);
    way.setFilter((_direction, datagram) => datagram.length <= 1_250);
    expect(await echo(connection, 300_000)).toBe(300_000);
    expect(connection.stats().packetSizeBytes).toBe(MIN_PACKET_BYTES);
  });
});

describe('addresses', () => {
  it('hears a peer that answers from another address than the one dialled', async () => {
    const { dialler, way } = await startThroughRelay();
    await way.answerFromElsewhere();
    const connection = await dial(dialler, way.address);
    expect(await echo(connection, 50_000)).toBe(50_000);
    expect(connection.remoteAddress).toEqual(way.address);
  });

  it('follows a peer whose packets come from another port', async () => {
    const { dialler, acceptor, way } = await startThroughRelay();
    const accepted = new Promise<{ remoteAddress: { port: number } }>((resolve) => {
      acceptor.onConnection((connection) => {
        connection.onStream(async (stream) => {
          if (stream.kind !== 'bidi') return;
          while ((await stream.read()) !== null);
          await stream.write(Buffer.from('seen'));
          await stream.finish();
        });
        resolve(connection);
      });
    });
    const connection = await dial(dialler, way.address);
    const incoming = await accepted;
    expect(await echo(connection, 1_000)).toBe(4);
    const before = incoming.remoteAddress.port;
    await way.rebind();
    expect(await echo(connection, 100_000)).toBe(4);
    expect(await echo(connection, 100_000)).toBe(4);
    expect(incoming.remoteAddress.port).not.toBe(before);
  });

  it('carries IPv6, and IPv4 on a socket for both', async () => {
    const both = await endpoints.create({ listen: { host: '::', port: 0 } });
    serveEcho(both);
    const { port } = both.localAddress;
    const v4 = await endpoints.create();
    const v6 = await endpoints.create({ listen: { host: '::1', port: 0 } });
    for (const [from, host] of [
      [v4, '127.0.0.1'],
      [v6, '::1'],
      [both, '127.0.0.1'],
    ] as const) {
      const connection = await dial(from, { host, port });
      expect(await echo(connection, 10_000)).toBe(10_000);
      await connection.close(0, '');
    }
  });
});

describe('loss', () => {
  it('loses nothing that was written', async () => {
    const { dialler, way } = await startThroughRelay();
    let count = 0;
    way.setFilter(() => count++ % 20 !== 7);
    const connection = await dial(dialler, way.address);
    expect(await echo(connection, 500_000)).toBe(500_000);
    expect(connection.stats().packetsLost).toBeGreaterThan(0);
  });

  it('repeats a close that was lost, when the peer goes on talking', async () => {
    const dialler = await endpoints.create();
    const acceptor = await endpoints.create({
      verifyPeer: () => ({ accepted: false, closeCode: 4, reason: 'not paired' }),
    });
    const way = await startUdpRelay(acceptor.localAddress);
    relay = way;
    let lost = 0;
    acceptor.onRejected(() => {
      // The close leaves in the same turn: the next short-header packets to the dialler are it.
      way.setFilter((direction, datagram) => {
        const isLost = direction === 'to-dialler' && ((datagram[0] ?? 0) & 0x80) === 0 && lost < 2;
        if (isLost) lost += 1;
        return !isLost;
      });
    });
    const connection = await dial(dialler, way.address);
    const talking = (async () => {
      const stream = await connection.openUni();
      for (;;) await stream.write(Buffer.alloc(50_000));
    })();
    await expect(talking).rejects.toMatchObject({ code: 'connection-closed' });
    expect(await connection.closed).toEqual({ by: 'peer', code: 4, reason: 'not paired' });
    expect(lost).toBe(2);
  });

  it('connects through a Retry when too many others are half-open', async () => {
    const dialler = await endpoints.create();
    const acceptor = await endpoints.create({ admission: { retryAboveHalfOpen: 0 } });
    serveEcho(acceptor);
    const connection = await dial(dialler, acceptor.localAddress);
    expect(await echo(connection, 10_000)).toBe(10_000);
    expect(acceptor.stats()).toMatchObject({ accepted: 1, halfOpen: 0 });
  });

  it('tells a dialler at once that a restarted acceptor does not know the connection', async () => {
    const credentials = createSelfSignedCredentials();
    const dialler = await endpoints.create();
    const acceptor = await endpoints.create({ credentials });
    serveEcho(acceptor);
    const way = await startUdpRelay(acceptor.localAddress);
    relay = way;
    const connection = await dial(dialler, way.address);
    expect(await echo(connection, 1_000)).toBe(1_000);
    // The same device, another run, and not a word of the first one's end.
    const restarted = await endpoints.create({ credentials });
    way.retarget(restarted.localAddress);
    void echo(connection, 100_000).catch(() => {});
    expect(await connection.closed).toMatchObject({ by: 'transport' });
  });
});

describe('datagrams', () => {
  it('carry messages beside streams, and leave the first half of the byte range to the transport', async () => {
    const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
    const received: Uint8Array[] = [];
    acceptor.onConnection((connection) => {
      connection.datagrams?.onDatagram((bytes) => received.push(bytes));
      connection.onStream((stream) => void (stream.kind === 'bidi' && stream.finish()));
    });
    const connection = await dialler.connect(acceptor.localAddress, { alpn: ALPN, verifyPeer: acceptAnyone });
    const { datagrams } = connection;
    if (datagrams === undefined) throw new Error('the driver has datagrams');
    expect(datagrams.maxBytes).toBeGreaterThanOrEqual(1_100);
    // They may be lost; so send until one has come, and let streams say when it is worth another look.
    while (received.length === 0) {
      expect(datagrams.send(Uint8Array.of(0x80, 1, 2))).toBe(true);
      await echo(connection, 1);
    }
    expect([...(received[0] ?? [])]).toEqual([0x80, 1, 2]);
    expect(datagrams.send(new Uint8Array(70_000).fill(0x80))).toBe(false);
    expect(() => datagrams.send(Uint8Array.of(0x7f))).toThrow(RangeError);
    await connection.close(0, '');
    expect(datagrams.maxBytes).toBe(0);
  });
});
