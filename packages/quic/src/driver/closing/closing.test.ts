import { afterEach, describe, expect, it } from 'vitest';
import { nameCloseInfo, TransportCloseCode, transportCloseCodes } from '../../close-codes.js';
import { createSelfSignedCredentials } from '../../testing/index.js';
import type { Connection } from '../../transport.js';
import { fileSync } from '../../transport-profile.js';
import { dial, EndpointSet } from '../endpoint.fixture.js';
import { type Direction, startUdpRelay, type UdpRelay } from '../udp-relay.fixture.js';

const endpoints = new EndpointSet();
let relay: UdpRelay | undefined;

afterEach(async () => {
  await endpoints.closeAll();
  relay?.stop();
  relay = undefined;
});

async function connectThroughRelay(): Promise<{ dialled: Connection; accepted: Connection; way: UdpRelay }> {
  const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
  const way = await startUdpRelay(acceptor.localAddress);
  relay = way;
  const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
  const dialled = await dial(dialler, way.address);
  return { dialled, accepted: await incoming, way };
}

/** Waits until the connection has nothing to say any more: what goes out next is its close. */
async function quiesce(...connections: readonly Connection[]): Promise<void> {
  let before = -1;
  for (;;) {
    const sum = connections.reduce((total, connection) => total + connection.stats().packetsOut, 0);
    if (sum === before) return;
    before = sum;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

describe('a close', () => {
  for (const side of ['dialled', 'accepted'] as const) {
    for (const lost of [0, 1, 2]) {
      it(`of the ${side} side arrives though ${lost} packets of it are lost and nobody says a word`, async () => {
        const both = await connectThroughRelay();
        await quiesce(both.dialled, both.accepted);
        const from: Direction = side === 'dialled' ? 'to-acceptor' : 'to-dialler';
        let seen = 0;
        both.way.setFilter((direction) => direction !== from || seen++ >= lost);
        const other = side === 'dialled' ? both.accepted : both.dialled;
        await both[side].close(7, 'limit exceeded');
        expect(await other.closed).toEqual({ by: 'peer', code: 7, reason: 'limit exceeded' });
        expect(seen).toBeGreaterThan(lost);
      });
    }
  }

  it('of an endpoint that goes away arrives though its first packet is lost', async () => {
    const { dialled, accepted, way } = await connectThroughRelay();
    await quiesce(dialled, accepted);
    let seen = 0;
    way.setFilter((direction) => direction !== 'to-dialler' || seen++ >= 1);
    await accepted.close(6, 'shutting down');
    expect(await dialled.closed).toEqual({ by: 'peer', code: 6, reason: 'shutting down' });
  });

  it('arrives though the congestion window is full, for which quiche sends none', async () => {
    for (const isEndpoint of [false, true]) {
      const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
      const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
      const dialled = await dial(dialler, acceptor.localAddress);
      const accepted = await incoming;
      const stream = await dialled.openUni();
      void stream.write(Buffer.alloc(10_000_000)).catch(() => {});
      // Nobody reads: the window of the stream is used up, and what is queued cannot be flushed before the close.
      await new Promise((resolve) => setImmediate(resolve));
      await (isEndpoint ? dialler : dialled).close(6, 'shutting down');
      expect(await accepted.closed).toEqual({ by: 'peer', code: 6, reason: 'shutting down' });
    }
  });

  it('of a dialler whose handshake was only just complete arrives', async () => {
    const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
    const connection = await dial(dialler, acceptor.localAddress);
    await connection.close(5, 'duplicate');
    while (acceptor.stats().connections > 0) await new Promise((resolve) => setTimeout(resolve, 2));
    const { accepted, rejected } = acceptor.stats();
    expect(accepted + (rejected['handshake-given-up'] ?? 0)).toBe(1);
  });
});

describe('close codes', () => {
  it('of applications are seen by the other side, all that a close can carry', async () => {
    for (const code of [0, 1, 8, 0x3fff, 2 ** 32, 2 ** 50]) {
      for (const side of ['dialled', 'accepted'] as const) {
        const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
        const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
        const dialled = await dial(dialler, acceptor.localAddress);
        const both = { dialled, accepted: await incoming };
        const other = side === 'dialled' ? both.accepted : both.dialled;
        await both[side].close(code, `because of ${code}`);
        expect(await other.closed).toEqual({ by: 'peer', code, reason: `because of ${code}` });
      }
    }
  });

  it('cut reasons that would not fit a packet', async () => {
    const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
    const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
    const dialled = await dial(dialler, acceptor.localAddress);
    await (await incoming).close(3, 'x'.repeat(5_000));
    expect(await dialled.closed).toEqual({ by: 'peer', code: 3, reason: 'x'.repeat(256) });
  });

  it('of the transport are seen by both sides, by name', async () => {
    const profile = { ...fileSync, maxPacketsPerKey: 20 };
    const [dialler, acceptor] = [await endpoints.create({ profile }), await endpoints.create()];
    const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
    const dialled = await dial(dialler, acceptor.localAddress);
    const accepted = await incoming;
    void (async () => {
      for (;;) await dialled.openUni().then((stream) => stream.write(Buffer.alloc(50_000)));
    })().catch(() => {});
    for (const connection of [dialled, accepted]) {
      const info = await connection.closed;
      expect(info).toMatchObject({ by: 'transport', code: TransportCloseCode.aeadLimitReached });
      expect(nameCloseInfo(info)).toBe('aeadLimitReached');
    }
  });

  it('of TLS are seen by the dialler, by name', async () => {
    const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
    acceptor.setAcceptedProtocols(['other/1']);
    const attempt = dial(dialler, acceptor.localAddress);
    const closeInfo = { by: 'transport', code: TransportCloseCode.tlsNoApplicationProtocol };
    await expect(attempt).rejects.toMatchObject({ code: 'handshake-failed', details: { closeInfo } });
    expect(transportCloseCodes.nameOf(0x178)).toBe('tlsNoApplicationProtocol');
  });

  it('of a verifyPeer that stumbles tell the peer of an internal error', async () => {
    const acceptor = await endpoints.create({
      credentials: createSelfSignedCredentials(),
      verifyPeer: () => {
        throw new Error('a bug');
      },
    });
    const connection = await dial(await endpoints.create(), acceptor.localAddress);
    expect(await connection.closed).toMatchObject({
      by: 'transport',
      code: TransportCloseCode.internalError,
    });
    expect(acceptor.stats().accepted).toBe(0);
  });
});
