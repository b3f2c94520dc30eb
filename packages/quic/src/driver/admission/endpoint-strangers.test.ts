import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSelfSignedCredentials } from '../../testing/index.js';
import type { Endpoint } from '../../transport.js';
import { fileSync } from '../../transport-profile.js';
import { createConnectionId } from '../connection-id.js';
import { ALPN, dial, EndpointSet, echo, serveEcho } from '../endpoint.fixture.js';
import type { QuicEndpoint } from '../endpoint.js';
import { LOCAL_HOST_PORT } from '../path/address.js';
import { quiche } from '../quiche-binding.js';
import { buildQuicheConfig } from '../tls-config.js';

const endpoints = new EndpointSet();
let stranger: Socket;

beforeEach(async () => {
  stranger = createSocket('udp4');
  stranger.bind(0, '127.0.0.1');
  await once(stranger, 'listening');
});

afterEach(async () => {
  await endpoints.closeAll();
  stranger.close();
});

/** A first packet of a connection that will never go on. */
function createInitial(): Buffer {
  const config = buildQuicheConfig(createSelfSignedCredentials(), fileSync);
  config.setApplicationProtos([ALPN]);
  const remote = { host: '127.0.0.1', port: 9 };
  const connection = quiche.Connection.connect(null, createConnectionId(), LOCAL_HOST_PORT, remote, config);
  const buffer = Buffer.alloc(1_200);
  const sent = connection.send(buffer);
  if (sent === null) throw new Error('a dialler begins');
  return buffer.subarray(0, sent[0]);
}

/** Sends, and resolves once the endpoint has seen all of it. */
async function sendTo(endpoint: Endpoint, datagrams: readonly Buffer[]): Promise<void> {
  const { port } = endpoint.localAddress;
  for (const datagram of datagrams) {
    const before = endpoint.stats().datagramsIn;
    stranger.send(datagram, port, '127.0.0.1');
    while (endpoint.stats().datagramsIn === before) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The head of an Initial packet with this token; its body is worth nothing. */
function createRawInitial(destination: Uint8Array, source: Uint8Array, token: Uint8Array): Buffer {
  const tokenLength = Buffer.alloc(2);
  tokenLength.writeUInt16BE(0x4000 | token.length);
  const head = Buffer.concat([
    Uint8Array.of(0xc0, 0, 0, 0, 1, destination.length),
    destination,
    Uint8Array.of(source.length),
    source,
    tokenLength,
    token,
  ]);
  const rest = Buffer.alloc(1_200 - head.length, 1);
  rest.writeUInt16BE(0x4000 | (rest.length - 2));
  return Buffer.concat([head, rest]);
}

/** Still able to serve somebody who means it. */
async function expectAlive(acceptor: Endpoint, isEchoing = true): Promise<void> {
  const dialler = await endpoints.create();
  const connection = await dial(dialler, acceptor.localAddress);
  if (isEchoing) expect(await echo(connection, 10_000)).toBe(10_000);
}

describe('strangers', () => {
  it('open no more than their share of half-open connections, and the rest meet silence', async () => {
    const acceptor = await endpoints.create({
      admission: { maxHalfOpenPerAddress: 4, retryAboveHalfOpen: 100 },
    });
    await sendTo(acceptor, Array.from({ length: 10 }, createInitial));
    expect(acceptor.stats().halfOpen).toBe(4);
  });

  it('must show that they receive what is sent to them when many are half-open', async () => {
    const acceptor = await endpoints.create({ admission: { retryAboveHalfOpen: 2 } });
    serveEcho(acceptor);
    await sendTo(acceptor, Array.from({ length: 6 }, createInitial));
    expect(acceptor.stats().halfOpen).toBe(2);
    await expectAlive(acceptor);
  });

  it('are forgotten when they do not go on', async () => {
    const acceptor = await endpoints.create({ admission: { handshakeTimeoutMs: 50 } });
    await sendTo(acceptor, [createInitial(), createInitial()]);
    expect(acceptor.stats().halfOpen).toBe(2);
    while (acceptor.stats().halfOpen > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(acceptor.stats().connections).toBe(0);
  });

  it('get no more looked at than a handshake needs', async () => {
    const acceptor = await endpoints.create();
    const initial = createInitial();
    await sendTo(acceptor, [initial]);
    const answered = (): number => acceptor.stats().datagramsOut;
    const repeats = Array.from({ length: 100 }, () => Buffer.from(initial));
    await sendTo(acceptor, repeats);
    const after = answered();
    // The budget is used up: whatever else comes for this connection is dropped unseen, and draws no answer.
    await sendTo(acceptor, repeats);
    expect(acceptor.stats().halfOpen).toBe(1);
    expect(answered() - after).toBeLessThan(10);
  });

  it('cannot do harm with packets that are none', async () => {
    const acceptor = await endpoints.create();
    serveEcho(acceptor);
    const initial = createInitial();
    const damaged = Array.from({ length: 60 }, (_, i) => {
      const bytes = Buffer.from(initial);
      bytes[i] = (bytes[i] ?? 0) ^ 0xff;
      return bytes;
    });
    const short = Array.from({ length: 60 }, (_, i) => Buffer.alloc(i + 1, 0x40 | i));
    const cut = Array.from({ length: 60 }, (_, i) => Buffer.from(initial.subarray(0, 1 + i * 20)));
    await sendTo(acceptor, [...damaged, ...short, ...cut]);
    await expectAlive(acceptor);
  });

  it('cannot do harm with a connection ID that is as long as any, when they prove their address', async () => {
    const acceptor = await endpoints.create({ admission: { retryAboveHalfOpen: 0 } });
    const retried = once(stranger, 'message');
    const longId = Buffer.alloc(20, 7);
    const source = createConnectionId();
    await sendTo(acceptor, [createRawInitial(longId, source, Buffer.alloc(0))]);
    const [retry] = (await retried) as [Buffer];
    // First byte, version, our connection ID, the one that it chose, token, tag of 16 bytes.
    const chosenAt = 7 + (retry[5] ?? 0);
    const chosen = retry.subarray(chosenAt, chosenAt + (retry[chosenAt - 1] ?? 0));
    const token = retry.subarray(chosenAt + chosen.length, retry.length - 16);
    await sendTo(acceptor, [createRawInitial(chosen, source, token)]);
    expect(acceptor.stats()).toMatchObject({ retriesSent: 1, connections: 0, rejected: { malformed: 1 } });
    await expectAlive(acceptor, false);
  });

  it('are told which version is spoken, if they ask with a full packet', async () => {
    const acceptor = await endpoints.create();
    const unknownVersion = createInitial();
    unknownVersion.writeUInt32BE(0x1a2a3a4a, 1);
    const answer = once(stranger, 'message');
    await sendTo(acceptor, [unknownVersion]);
    const [datagram] = (await answer) as [Buffer];
    expect(datagram.readUInt32BE(1)).toBe(0);
    expect(acceptor.stats().halfOpen).toBe(0);
  });

  it('get nothing for a connection that is not known, but a reset smaller than what they sent', async () => {
    const acceptor = await endpoints.create();
    const packet = Buffer.alloc(100, 0x41);
    const answer = once(stranger, 'message');
    await sendTo(acceptor, [packet]);
    const [datagram] = (await answer) as [Buffer];
    expect(datagram.length).toBeLessThan(packet.length);
    expect((datagram[0] ?? 0) & 0xc0).toBe(0x40);
    const sentBefore = acceptor.stats().datagramsOut;
    await sendTo(acceptor, [Buffer.alloc(21, 0x41)]);
    expect(acceptor.stats().datagramsOut).toBe(sentBefore);
  });
});

describe('thousands of rejected attempts', () => {
  const ATTEMPTS = 3_000;

  /** What an endpoint may keep, seen from outside: whoever is remembered answers differently, or shows in the figures. */
  function countTimers(): number {
    return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  }

  async function flood(acceptor: Endpoint, count: number, make: () => Buffer): Promise<void> {
    const { port } = acceptor.localAddress;
    const target = acceptor.stats().datagramsIn + count;
    for (let sent = 0; sent < count; ) {
      for (let i = 0; i < 50 && sent < count; i++, sent++) stranger.send(make(), port, '127.0.0.1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    // A few may be lost where the kernel's buffer is small.
    const deadline = performance.now() + 2_000;
    while (acceptor.stats().datagramsIn < target * 0.9 && performance.now() < deadline) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** One first packet under a new connection ID each time: routing sees another attempt, and making it costs nothing. */
  function varied(): () => Buffer {
    const initial = createInitial();
    let counter = 0;
    return () => {
      const bytes = Buffer.from(initial);
      bytes.writeUInt32BE(counter++, 6);
      return bytes;
    };
  }

  for (const { name, admission, protocols, stats } of [
    {
      name: 'asked for a Retry',
      admission: { retryAboveHalfOpen: 0 },
      protocols: [ALPN],
      stats: { halfOpen: 0, connections: 0 },
    },
    {
      name: 'beyond the limit of connections',
      admission: { maxConnections: 0 },
      protocols: [ALPN],
      stats: { halfOpen: 0, connections: 0 },
    },
    {
      name: 'beyond the limit of an address',
      admission: { maxConnectionsPerAddress: 0 },
      protocols: [ALPN],
      stats: { halfOpen: 0, connections: 0 },
    },
    {
      name: 'where nothing is accepted',
      admission: {},
      protocols: [],
      stats: { halfOpen: 0, connections: 0 },
    },
  ]) {
    it(`leave no connection, timer or memory behind: ${name}`, async () => {
      const acceptor = (await endpoints.create({ admission })) as QuicEndpoint;
      acceptor.setAcceptedProtocols(protocols);
      const make = varied();
      await flood(acceptor, 200, make);
      const timers = countTimers();
      const remembered = acceptor.remembered();
      await flood(acceptor, ATTEMPTS, make);
      expect(acceptor.stats()).toMatchObject(stats);
      expect(countTimers()).toBeLessThanOrEqual(timers);
      expect(acceptor.remembered()).toEqual(remembered);
      expect(remembered).toEqual({ routes: 0, connections: 0, closing: 0, addresses: 0 });
      const { incoming, retriesSent, rejected } = acceptor.stats();
      const counted = retriesSent + Object.values(rejected).reduce((sum, count) => sum + count, 0);
      expect(counted).toBeGreaterThan(ATTEMPTS / 2);
      expect(incoming).toBe(protocols.length === 0 ? 0 : counted);
    });
  }

  it('are not even answered beyond a rate, and honest ones still get through', async () => {
    const acceptor = await endpoints.create({
      admission: { retryAboveHalfOpen: 0, answersBurst: 20, answersPerSecond: 10 },
    });
    await flood(acceptor, 500, varied());
    const wrongVersion = createInitial();
    wrongVersion.writeUInt32BE(0x1a2a3a4a, 1);
    await flood(acceptor, 500, () => wrongVersion);
    const { retriesSent, rejected, datagramsOut } = acceptor.stats();
    expect(retriesSent).toBeLessThan(60);
    expect(rejected['unsupported-version']).toBeLessThan(60);
    expect(rejected['too-many-answers']).toBeGreaterThan(700);
    expect(datagramsOut).toBeLessThan(120);
    await expectAlive(acceptor, false);
  });

  it('leave nothing behind that does not go by itself: half-open ones that do not go on', async () => {
    const acceptor = (await endpoints.create({
      admission: { handshakeTimeoutMs: 100, maxHalfOpenPerAddress: 64, newConnectionsPerAddressBurst: 5_000 },
    })) as QuicEndpoint;
    for (let round = 0; round < 5; round++) {
      await sendTo(acceptor, Array.from({ length: 40 }, createInitial));
      while (acceptor.stats().connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // What is left is the rate at which this one address came: one entry.
    expect(acceptor.remembered()).toEqual({ routes: 0, connections: 0, closing: 0, addresses: 1 });
    expect(acceptor.stats().rejected['handshake-timeout']).toBe(200);
  });

  it('of peers that were refused are forgotten as soon as their close has had time to arrive', async () => {
    const acceptor = (await endpoints.create({
      verifyPeer: () => ({ accepted: false, closeCode: 4, reason: 'not paired' }),
    })) as QuicEndpoint;
    const dialler = await endpoints.create();
    for (let i = 0; i < 30; i++) await (await dial(dialler, acceptor.localAddress)).closed;
    while (acceptor.remembered().closing > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(acceptor.remembered()).toEqual({ routes: 0, connections: 0, closing: 0, addresses: 1 });
    expect(acceptor.stats()).toMatchObject({ connections: 0, refusedByCode: { 4: 30 } });
  });
});

describe('a peer that wastes what cannot be given back', () => {
  it('loses the connection before it would fall silent', async () => {
    const profile = { ...fileSync, maxBidiStreams: 40 };
    const [dialler, acceptor] = [await endpoints.create({ profile }), await endpoints.create({ profile })];
    acceptor.onConnection((connection) => {
      connection.onStream((stream) => {
        if (stream.kind === 'bidi') void stream.read().catch(() => {});
      });
    });
    const connection = await dial(dialler, acceptor.localAddress);
    let resets = 0;
    try {
      // Were credit given back, or nothing counted, this would go on.
      for (; resets < 1_000; resets++) {
        const stream = await connection.openBidi();
        await stream.write(Buffer.from('x'));
        stream.reset(1);
      }
    } catch {
      // The connection is gone.
    }
    expect(await connection.closed).toMatchObject({ by: 'transport', code: 1 });
    expect(resets).toBeLessThanOrEqual(40);
  });
});
