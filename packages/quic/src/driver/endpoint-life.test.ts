import { afterEach, describe, expect, it } from 'vitest';
import type { Endpoint } from '../transport.js';
import { fileSync } from '../transport-profile.js';
import { dial, EndpointSet, echo, serveEcho } from './endpoint.fixture.js';
import { startUdpRelay, type UdpRelay } from './udp-relay.fixture.js';

const endpoints = new EndpointSet();
let relay: UdpRelay | undefined;

afterEach(async () => {
  await endpoints.closeAll();
  relay?.stop();
  relay = undefined;
});

/** Waits until something is so, by looking: what is waited for makes no event of its own. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function createPair(profile: Partial<typeof fileSync>): Promise<[Endpoint, Endpoint]> {
  const full = { ...fileSync, ...profile };
  const acceptor = await endpoints.create({ profile: full });
  serveEcho(acceptor);
  return [await endpoints.create({ profile: full }), acceptor];
}

describe('an idle connection', () => {
  it('is kept alive', async () => {
    const [dialler, acceptor] = await createPair({ idleTimeoutMs: 400, keepAliveMs: 60 });
    const connection = await dial(dialler, acceptor.localAddress);
    let hasEnded = false;
    void connection.closed.then(() => {
      hasEnded = true;
    });
    const startedAt = performance.now();
    await until(() => hasEnded || performance.now() - startedAt > 1_200);
    expect(hasEnded).toBe(false);
    expect(await echo(connection, 1_000)).toBe(1_000);
  });

  it('ends by timeout when the peer is no longer heard', async () => {
    const [dialler, acceptor] = await createPair({ idleTimeoutMs: 200, keepAliveMs: 50 });
    const way = await startUdpRelay(acceptor.localAddress);
    relay = way;
    const connection = await dial(dialler, way.address);
    way.setFilter(() => false);
    expect(await connection.closed).toMatchObject({ by: 'timeout' });
    await until(() => acceptor.stats().connections === 0);
  });
});

describe('limits of a connection', () => {
  it('is given up before its keys are used too often', async () => {
    const [dialler, acceptor] = await createPair({ maxPacketsPerKey: 100 });
    const connection = await dial(dialler, acceptor.localAddress);
    const sending = (async () => {
      for (;;) await echo(connection, 10_000);
    })();
    await expect(sending).rejects.toMatchObject({ code: 'connection-closed' });
    expect(await connection.closed).toMatchObject({ by: 'transport', code: 0xf });
  });
});

describe('dialling', () => {
  it('refuses what is no address', async () => {
    const dialler = await endpoints.create();
    for (const remote of [
      { host: 'localhost', port: 1 },
      { host: '', port: 1 },
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 70_000 },
    ]) {
      await expect(dial(dialler, remote)).rejects.toMatchObject({ code: 'handshake-failed' });
    }
    expect(dialler.stats()).toMatchObject({ connections: 0, halfOpen: 0 });
  });

  it('survives an address that the socket cannot reach', async () => {
    const dialler = await endpoints.create();
    const attempt = dial(dialler, { host: '::1', port: 9 }, { handshakeTimeoutMs: 60 });
    await expect(attempt).rejects.toMatchObject({ code: 'handshake-timeout' });
  });

  it('frees everything when handshakes come to nothing', async () => {
    const [dialler, acceptor] = await createPair({});
    acceptor.setAcceptedProtocols(['other/1']);
    for (let i = 0; i < 20; i++) {
      await expect(dial(dialler, acceptor.localAddress)).rejects.toMatchObject({ code: 'handshake-failed' });
    }
    await until(() => acceptor.stats().halfOpen === 0);
    expect(dialler.stats()).toMatchObject({ connections: 0, halfOpen: 0, attempted: 20 });
    expect(acceptor.stats()).toMatchObject({ connections: 0, accepted: 0 });
  });
});
