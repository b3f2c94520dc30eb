import { afterEach, describe, expect, it } from 'vitest';
import type { Connection, Endpoint, StreamVerdict } from '../transport.js';
import { fileSync } from '../transport-profile.js';
import { acceptAnyone, dial, EndpointSet, echo, serveEcho } from './endpoint.fixture.js';
import type { QuicEndpointOptions } from './options.js';
import { startUdpRelay, type UdpRelay, type UdpRelayOptions } from './udp-relay.fixture.js';

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

async function connect(
  options: Partial<QuicEndpointOptions> = {},
): Promise<{ dialler: Endpoint; acceptor: Endpoint; dialled: Connection; accepted: Connection }> {
  const [dialler, acceptor] = [await endpoints.create(options), await endpoints.create(options)];
  const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
  const dialled = await dial(dialler, acceptor.localAddress);
  return { dialler, acceptor, dialled, accepted: await incoming };
}

async function connectThroughRelay(
  options: UdpRelayOptions = {},
): Promise<{ connection: Connection; way: UdpRelay }> {
  const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
  serveEcho(acceptor);
  const way = await startUdpRelay(acceptor.localAddress, options);
  relay = way;
  return { connection: await dial(dialler, way.address), way };
}

describe('statistics of an endpoint', () => {
  it('count connections that others began, that were accepted, and that ended', async () => {
    const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
    for (let i = 1; i <= 3; i++) {
      const connection = await dial(dialler, acceptor.localAddress);
      await until(() => acceptor.stats().accepted === i);
      await connection.close(0, '');
    }
    await until(() => acceptor.stats().connections === 0);
    expect(dialler.stats()).toMatchObject({ attempted: 3, incoming: 0, closed: 3 });
    expect(acceptor.stats()).toMatchObject({ attempted: 0, incoming: 3, accepted: 3, closed: 3 });
    expect([dialler.stats().rejected, acceptor.stats().rejected]).toEqual([{}, {}]);
  });

  it('name the reasons for which connections came to nothing', async () => {
    const dialler = await endpoints.create();
    const refusing = await endpoints.create({
      verifyPeer: () => ({ accepted: false, closeCode: 4, reason: 'not paired' }),
    });
    await (await dial(dialler, refusing.localAddress)).closed;
    expect(refusing.stats()).toMatchObject({ rejected: { 'peer-refused': 1 }, refusedByCode: { 4: 1 } });

    const wrong = dial(dialler, refusing.localAddress, {
      verifyPeer: () => ({ accepted: false, closeCode: 1, reason: 'somebody else' }),
    });
    await expect(wrong).rejects.toMatchObject({ code: 'peer-rejected' });
    expect(dialler.stats()).toMatchObject({ rejected: { 'peer-refused': 1 }, refusedByCode: { 1: 1 } });

    const other = await endpoints.create();
    other.setAcceptedProtocols(['other/1']);
    await expect(dial(dialler, other.localAddress)).rejects.toMatchObject({ code: 'handshake-failed' });
    await until(() => other.stats().connections === 0);
    expect(other.stats().rejected).toEqual({ 'no-common-protocol': 1 });

    const deaf = await endpoints.create();
    deaf.setAcceptedProtocols([]);
    const unheard = dial(dialler, deaf.localAddress, { handshakeTimeoutMs: 50 });
    await expect(unheard).rejects.toMatchObject({ code: 'handshake-timeout' });
    expect(deaf.stats().rejected['not-accepting']).toBeGreaterThan(0);

    const full = await endpoints.create({ admission: { maxConnectionsPerAddress: 1 } });
    await dial(dialler, full.localAddress);
    const tooMany = dial(dialler, full.localAddress, { handshakeTimeoutMs: 50 });
    await expect(tooMany).rejects.toMatchObject({ code: 'handshake-timeout' });
    expect(full.stats().rejected['too-many-connections-from-address']).toBeGreaterThan(0);
  });
});

describe('statistics of a connection', () => {
  it('count its streams: open, closed, and waiting for the peer to allow more', async () => {
    const { dialled, accepted } = await connect({ profile: { ...fileSync, maxBidiStreams: 2 } });
    accepted.onStream((stream) => {
      void (async () => {
        while ((await stream.read()) !== null);
        if (stream.kind === 'bidi') await stream.finish();
      })();
    });
    const streams = [await dialled.openBidi(), await dialled.openBidi()];
    const waiting = dialled.openBidi();
    expect(dialled.stats()).toMatchObject({
      streamsOpened: 2,
      streamsOpen: 2,
      streamsClosed: 0,
      streamsWaiting: 1,
    });
    for (const stream of streams) {
      await stream.finish();
      expect(await stream.read()).toBeNull();
    }
    await waiting;
    expect(dialled.stats()).toMatchObject({
      streamsOpened: 3,
      streamsOpen: 1,
      streamsClosed: 2,
      streamsWaiting: 0,
    });
  });

  it('show what waits to be sent, what was taken, and how old it is', async () => {
    const { dialled, acceptor, accepted } = await connect();
    serveEcho(acceptor);
    void accepted;
    const stream = await dialled.openBidi({ urgency: 5 });
    void stream.write(Buffer.alloc(5_000_000)).catch(() => {});
    expect(dialled.stats().sendBufferedBytes).toBe(5_000_000);
    const [stats] = dialled.streamStats();
    expect(stats).toMatchObject({
      id: stream.id,
      kind: 'bidi',
      openedBy: 'local',
      urgency: 5,
      bytesIn: 0,
      bytesOut: 0,
      bufferedBytes: 5_000_000,
    });
    await until(() => (dialled.streamStats()[0]?.bytesOut ?? 0) > 0);
    expect(dialled.stats().ageMs).toBeGreaterThan(0);
    const now = dialled.streamStats()[0];
    expect((now?.bytesOut ?? 0) + (now?.bufferedBytes ?? 0)).toBe(5_000_000);
    expect(now?.ageMs).toBeGreaterThan(0);
  });

  it('tell of what the path lost', async () => {
    const { connection, way } = await connectThroughRelay();
    expect(await echo(connection, 20_000)).toBe(20_000);
    expect(connection.stats()).toMatchObject({ packetsLost: 0, bytesLost: 0, bytesRetransmitted: 0 });
    let [large, dropped, droppedBytes] = [0, 0, 0];
    way.setFilter((direction, datagram) => {
      if (direction === 'to-dialler' || datagram.length < 1_000) return true;
      large += 1;
      if (large % 10 !== 1) return true;
      dropped += 1;
      droppedBytes += datagram.length;
      return false;
    });
    expect(await echo(connection, 100_000)).toBe(100_000);
    expect(dropped).toBeGreaterThan(0);
    await until(() => connection.stats().packetsLost >= dropped);
    const { bytesLost, bytesRetransmitted, bytesOut } = connection.stats();
    expect(bytesLost).toBeGreaterThanOrEqual(droppedBytes);
    expect(bytesRetransmitted).toBeGreaterThan(0);
    expect(bytesOut).toBeGreaterThan(120_000 + droppedBytes);
  });

  it('measure how long a round trip takes, and how much arrives in a second', async () => {
    const { connection } = await connectThroughRelay({ answersDelayedByMs: 20 });
    const startedAtMs = performance.now();
    let isOver = false;
    const done = echo(connection, 300_000).finally(() => {
      isOver = true;
    });
    let fastest = 0;
    await until(() => {
      fastest = Math.max(fastest, connection.stats().deliveryRateBytesPerSecond);
      return isOver;
    });
    expect(await done).toBe(300_000);
    const seconds = (performance.now() - startedAtMs) / 1_000;
    const { rttMs, ageMs, bytesOut } = connection.stats();
    // A timer may be a millisecond early.
    expect(rttMs).toBeGreaterThanOrEqual(19);
    expect(rttMs).toBeLessThan(ageMs);
    // About as fast as on average or faster, and at most everything within one round trip.
    expect(fastest).toBeGreaterThan(300_000 / seconds / 4);
    expect(fastest).toBeLessThan(bytesOut / 0.019);
  });

  it('agree on both sides about what went over a stream', async () => {
    const [dialler, acceptor] = [await endpoints.create(), await endpoints.create()];
    serveEcho(acceptor);
    const connection = await dial(dialler, acceptor.localAddress);
    expect(await echo(connection, 100_000)).toBe(100_000);
    expect(connection.stats()).toMatchObject({ streamBytesRead: 100_000, sendBufferedBytes: 0 });
    expect(connection.streamStats()).toEqual([]);
  });
});

describe('statistics of datagrams', () => {
  it('count what was sent and received, and what was dropped for which reason', async () => {
    const { dialled, accepted } = await connect();
    const { datagrams } = dialled;
    if (datagrams === undefined) throw new Error('the driver has datagrams');
    const message = new Uint8Array(100).fill(0x80);
    // Nobody listens there yet. One of them may be lost.
    let sent = 0;
    for (; accepted.stats().datagrams.received === 0; sent++) {
      expect(datagrams.send(message)).toBe(true);
      await until(() => dialled.stats().datagrams.queued === 0);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const { received } = accepted.stats().datagrams;
    expect(accepted.stats().datagrams).toMatchObject({
      bytesReceived: received * 100,
      droppedNoHandler: received,
    });
    accepted.datagrams?.onDatagram(() => {});
    expect(datagrams.send(new Uint8Array(60_000).fill(0x80))).toBe(false);
    // In one turn of the event loop nothing leaves the queue.
    let accepts = 0;
    while (datagrams.send(message)) accepts += 1;
    const stats = dialled.stats().datagrams;
    expect(stats).toMatchObject({
      sent: accepts + sent,
      bytesSent: (accepts + sent) * 100,
      queued: accepts,
      droppedTooLarge: 1,
      droppedQueueFull: 1,
    });
    expect(accepts).toBeLessThanOrEqual(64);
    await until(() => dialled.stats().datagrams.queued === 0);
  });

  it('say when more came than was taken', async () => {
    const { dialled, accepted } = await connect();
    accepted.datagrams?.onDatagram(() => {});
    const message = new Uint8Array(20).fill(0x80);
    for (let i = 0; i < 500 && accepted.stats().datagrams.droppedReceiveQueueFull === 0; i++) {
      while (dialled.datagrams?.send(message));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { received, droppedReceiveQueueFull } = accepted.stats().datagrams;
    expect(droppedReceiveQueueFull).toBeGreaterThan(0);
    expect(received).toBeGreaterThan(0);
    expect(received).toBeLessThanOrEqual(dialled.stats().datagrams.sent);
  });
});

describe('streams that a peer opens', () => {
  const KIND_A = 0x01;

  async function startWith(
    judge: (firstByte: number | undefined) => StreamVerdict,
  ): Promise<{ dialled: Connection; accepted: Connection; seen: string[] }> {
    const acceptor = await endpoints.create({
      verifyPeer: acceptAnyone,
      authenticateStream: (_connection, { firstByte }) => judge(firstByte),
    });
    const seen: string[] = [];
    const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
    const dialled = await dial(await endpoints.create(), acceptor.localAddress);
    const accepted = await incoming;
    accepted.onStream((stream) => {
      void (async () => {
        const chunks: Uint8Array[] = [];
        for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) chunks.push(bytes);
        seen.push(Buffer.concat(chunks).toString('latin1'));
        if (stream.kind === 'bidi') await stream.finish();
      })().catch(() => {});
    });
    return { dialled, accepted, seen };
  }

  it('are handed up whole when the judge accepts their first byte', async () => {
    const { dialled, seen } = await startWith((first) =>
      first === KIND_A ? { accepted: true } : { accepted: false, closeCode: 3, reason: 'unknown kind' },
    );
    for (const text of ['\x01', '\x01rest of it']) {
      const stream = await dialled.openBidi();
      await stream.write(Buffer.from(text, 'latin1'));
      await stream.finish();
      expect(await stream.read()).toBeNull();
    }
    expect(seen).toEqual(['\x01', '\x01rest of it']);
  });

  it('close the connection, unseen, when the judge says so', async () => {
    const { dialled, seen, accepted } = await startWith((first) =>
      first === KIND_A ? { accepted: true } : { accepted: false, closeCode: 3, reason: 'unknown kind' },
    );
    const stream = await dialled.openUni();
    await stream.write(Buffer.from('\x07bad', 'latin1'));
    expect(await dialled.closed).toEqual({ by: 'peer', code: 3, reason: 'unknown kind' });
    expect(await accepted.closed).toMatchObject({ by: 'local', code: 3 });
    expect(seen).toEqual([]);
  });

  it('are stopped alone, unseen, when the judge says so; what ended empty is judged as such', async () => {
    const firsts: (number | undefined)[] = [];
    const { dialled, seen } = await startWith((first) => {
      firsts.push(first);
      return first === KIND_A ? { accepted: true } : { accepted: false, streamCode: 9 };
    });
    const empty = await dialled.openUni();
    await empty.finish();
    await until(() => firsts.length === 1);
    const stream = await dialled.openBidi();
    await stream.write(Buffer.from('\x07bad', 'latin1'));
    await expect(stream.read()).rejects.toMatchObject({ code: 'stream-reset', details: { streamCode: 9 } });
    expect(seen).toEqual([]);
    expect(firsts).toEqual([undefined, 7]);
  });
});
