import { afterEach, describe, expect, it } from 'vitest';
import { dial, EndpointSet, echo, serveEcho } from './driver/endpoint.fixture.js';
import { type TransportProfileName, transportProfiles } from './transport-profile.js';

const NAMES = Object.keys(transportProfiles) as TransportProfileName[];

describe('named profiles', () => {
  const endpoints = new EndpointSet();
  afterEach(() => endpoints.closeAll());

  it.each(NAMES)('%s agrees with itself', (name) => {
    const profile = transportProfiles[name];
    expect(profile.initialStreamWindowBytes).toBeGreaterThanOrEqual(64 * 1024);
    expect(profile.initialStreamWindowBytes).toBeLessThanOrEqual(profile.maxStreamWindowBytes);
    expect(profile.initialConnectionWindowBytes).toBeLessThanOrEqual(profile.maxConnectionWindowBytes);
    expect(profile.initialStreamWindowBytes).toBeLessThanOrEqual(profile.initialConnectionWindowBytes);
    expect(profile.maxStreamWindowBytes).toBeLessThanOrEqual(profile.maxConnectionWindowBytes);
    expect(profile.keepAliveMs * 2).toBeLessThan(profile.idleTimeoutMs);
    // A quarter of the credit may be lost to resets before the connection is replaced: more than none.
    expect(Math.min(profile.maxBidiStreams, profile.maxUniStreams)).toBeGreaterThanOrEqual(16);
  });

  it.each(NAMES)('%s carries many times its windows, on several streams at once', async (name) => {
    const profile = transportProfiles[name];
    const acceptor = await endpoints.create({ profile });
    const dialler = await endpoints.create({ profile });
    serveEcho(acceptor);
    const connection = await dial(dialler, acceptor.localAddress);
    const sizes = [4_000_000, 1_000_000, 1];
    expect(await Promise.all(sizes.map((size) => echo(connection, size)))).toEqual(sizes);
  });

  it.each(['bbr', 'cubic', 'reno'] as const)(
    'lets the window of %s grow with use',
    async (congestionControl) => {
      const profile = { ...transportProfiles.fileSync, congestionControl };
      const acceptor = await endpoints.create({ profile });
      const dialler = await endpoints.create({ profile, maxPacketBytes: 1_350 });
      serveEcho(acceptor);
      const connection = await dial(dialler, acceptor.localAddress);
      const { congestionWindowBytes: initialBytes } = connection.stats();
      await echo(connection, 4_000_000);
      expect(connection.stats().congestionWindowBytes).toBeGreaterThan(2 * initialBytes);
    },
  );

  it('lowMemory makes a sender wait after a megabyte that nobody reads', async () => {
    const { lowMemory } = transportProfiles;
    const acceptor = await endpoints.create({ profile: lowMemory });
    const dialler = await endpoints.create({ profile: lowMemory });
    serveEcho(acceptor);
    const other = await dial(dialler, acceptor.localAddress);
    await echo(other, 1);
    acceptor.onConnection((connection) => connection.onStream(() => {}));
    const connection = await dial(dialler, acceptor.localAddress);
    const streams = await Promise.all(Array.from({ length: 8 }, () => connection.openUni()));
    for (const stream of streams) void stream.write(new Uint8Array(1_000_000)).catch(() => {});
    const taken = (): number =>
      streams.reduce((sum, { bufferedBytes }) => sum + 1_000_000 - bufferedBytes, 0);
    // Until nothing moves any more, while another connection does.
    for (let last = 0; last === 0 || last !== taken(); ) {
      last = taken();
      for (let i = 0; i < 20; i++) await echo(other, 1);
    }
    expect(taken()).toBeLessThanOrEqual(lowMemory.maxConnectionWindowBytes);
  });
});
