import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSelfSignedCredentials } from '../testing/index.js';
import type { Endpoint } from '../transport.js';
import { fileSync } from '../transport-profile.js';
import { LOCAL_HOST_PORT } from './address.js';
import { createConnectionId } from './connection-id.js';
import { ALPN, dial, EndpointSet, echo, serveEcho } from './endpoint.fixture.js';
import { quiche } from './quiche-binding.js';
import { buildQuicheConfig } from './tls-config.js';

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

/** Still able to serve somebody who means it. */
async function expectAlive(acceptor: Endpoint): Promise<void> {
  const dialler = await endpoints.create();
  const connection = await dial(dialler, acceptor.localAddress);
  expect(await echo(connection, 10_000)).toBe(10_000);
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
