import { afterEach, describe, expect, it } from 'vitest';
import type { Connection, Endpoint } from '../../transport.js';
import { dial, EndpointSet, echo } from '../endpoint.fixture.js';
import { startUdpRelay, type UdpRelay } from '../udp-relay.fixture.js';

const endpoints = new EndpointSet();
let relay: UdpRelay | undefined;

afterEach(async () => {
  await endpoints.closeAll();
  relay?.stop();
  relay = undefined;
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function connectThroughRelay(): Promise<{
  dialler: Endpoint;
  acceptor: Endpoint;
  dialled: Connection;
  accepted: Connection;
  way: UdpRelay;
}> {
  const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
  const way = await startUdpRelay(acceptor.localAddress);
  relay = way;
  const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
  const dialled = await dial(dialler, way.address);
  const accepted = await incoming;
  accepted.onStream((stream) => {
    if (stream.kind !== 'bidi') return;
    void (async () => {
      for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read())
        await stream.write(bytes);
      await stream.finish();
    })().catch(() => {});
  });
  return { dialler, acceptor, dialled, accepted, way };
}

describe('a dialler that moves', () => {
  it('keeps its connection through one change of port after another, also in the middle of a transfer', async () => {
    const { dialled, accepted, way } = await connectThroughRelay();
    for (let move = 0; move < 5; move++) {
      const before = accepted.remoteAddress.port;
      const transfer = echo(dialled, 2_000_000);
      await way.rebind();
      expect(await transfer).toBe(2_000_000);
      await until(() => accepted.remoteAddress.port !== before);
    }
    expect(await echo(dialled, 1_000)).toBe(1_000);
  });

  it('is found again at once when it says that its addresses have changed', async () => {
    const { dialler, dialled, accepted, way } = await connectThroughRelay();
    expect(await echo(dialled, 1_000)).toBe(1_000);
    const before = accepted.remoteAddress.port;
    await way.rebind();
    const startedAt = performance.now();
    dialler.refreshPaths();
    await until(() => accepted.remoteAddress.port !== before);
    // Not by the keep-alive of ten seconds.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe('an acceptor that moves', () => {
  it('keeps its connection, once it has said something from where it is now', async () => {
    const { acceptor, dialled, way } = await connectThroughRelay();
    expect(await echo(dialled, 100_000)).toBe(100_000);
    for (let move = 0; move < 3; move++) {
      const address = await way.moveAcceptor();
      acceptor.refreshPaths();
      await until(() => dialled.remoteAddress.port === address.port);
      expect(dialled.remoteAddress).toEqual(address);
      expect(await echo(dialled, 500_000)).toBe(500_000);
    }
  });

  it('keeps it in the middle of a transfer to the dialler', async () => {
    const { dialled, way } = await connectThroughRelay();
    const transfer = echo(dialled, 5_000_000);
    await until(() => dialled.stats().streamBytesRead > 100_000);
    const address = await way.moveAcceptor();
    expect(await transfer).toBe(5_000_000);
    expect(dialled.remoteAddress).toEqual(address);
  });

  it('is not looked for where its packets come from, when nobody answers there', async () => {
    const { dialled, way } = await connectThroughRelay();
    expect(await echo(dialled, 1_000)).toBe(1_000);
    const before = dialled.remoteAddress;
    await way.answerFromElsewhere();
    expect(await echo(dialled, 300_000)).toBe(300_000);
    expect(dialled.remoteAddress).toEqual(before);
  });

  it('is not looked for where copies of its packets come from', async () => {
    const { dialled, way } = await connectThroughRelay();
    const before = dialled.remoteAddress;
    const copies = await way.copyAnswersFromElsewhere();
    expect(await echo(dialled, 300_000)).toBe(300_000);
    expect(copies.sent()).toBeGreaterThan(10);
    expect(copies.received()).toBe(0);
    expect(dialled.remoteAddress).toEqual(before);
  });
});
