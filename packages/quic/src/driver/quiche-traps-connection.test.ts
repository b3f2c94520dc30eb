import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSelfSignedCredentials } from '../testing/index.js';
import { fileSync } from '../transport-profile.js';
import { createConnectionId } from './connection-id.js';
import { LOCAL_HOST_PORT } from './path/address.js';
import { type QuicheConfig, type QuicheConnection, quiche } from './quiche-binding.js';
import { createRawPair, type RawPair } from './raw-pair.fixture.js';
import { buildQuicheConfig } from './tls-config.js';

/** More of what the driver works around: handshakes, sessions, sizes and addresses. See quiche-traps.test.ts. */
const CLIENT = { host: '127.0.0.1', port: 2 };
const SERVER = { host: '127.0.0.1', port: 3 };

function configOf(protocols: string[] = ['raw/1']): QuicheConfig {
  const config = buildQuicheConfig(createSelfSignedCredentials(), fileSync);
  config.setApplicationProtos(protocols);
  config.enableEarlyData();
  return config;
}

function connect(config: QuicheConfig): QuicheConnection {
  return quiche.Connection.connect(null, createConnectionId(), LOCAL_HOST_PORT, SERVER, config);
}

function accept(config: QuicheConfig): QuicheConnection {
  return quiche.Connection.accept(createConnectionId(), null, LOCAL_HOST_PORT, CLIENT, config);
}

/** Everything that a connection has to send. */
function flush(from: QuicheConnection, sizeBytes = 1_350): Buffer[] {
  const packets: Buffer[] = [];
  for (;;) {
    const buffer = Buffer.alloc(sizeBytes);
    const sent = from.send(buffer);
    if (sent === null) return packets;
    packets.push(buffer.subarray(0, sent[0]));
  }
}

function deliver(
  packets: readonly Buffer[],
  to: QuicheConnection,
  from: { host: string; port: number },
): void {
  for (const packet of packets) {
    try {
      to.recv(Buffer.from(packet), { from, to: LOCAL_HOST_PORT });
    } catch {
      // Noted by quiche.
    }
  }
}

function exchange(client: QuicheConnection, server: QuicheConnection, source = CLIENT): void {
  for (;;) {
    const [up, down] = [flush(client), flush(server)];
    if (up.length + down.length === 0) return;
    deliver(up, server, source);
    deliver(down, client, SERVER);
  }
}

function established(options = {}): RawPair {
  const pair = createRawPair(options);
  pair.exchange();
  return pair;
}

describe('the pinned binding: sessions', () => {
  function collectSession(clientConfig: QuicheConfig, serverConfig: QuicheConfig): Uint8Array {
    const [client, server] = [connect(clientConfig), accept(serverConfig)];
    exchange(client, server);
    const session = client.session();
    if (session === null) throw new Error('there is a session');
    return session;
  }

  it('takes the same early packets again in a new connection, and shows them before the handshake is complete', () => {
    const [clientConfig, serverConfig] = [configOf(), configOf()];
    const session = collectSession(clientConfig, serverConfig);
    const client = connect(clientConfig);
    client.setSession(session);
    const first = flush(client);
    client.streamSend(2, Buffer.from('early'), false);
    first.push(...flush(client));
    for (let replay = 0; replay < 3; replay++) {
      const server = accept(serverConfig);
      deliver(first, server, CLIENT);
      expect([server.isInEarlyData(), server.isEstablished()]).toEqual([true, false]);
      expect([...server.readable()]).toEqual([2]);
      // The driver reads nothing before isEstablished, which no replay reaches.
      deliver(first, server, CLIENT);
      expect(server.isEstablished()).toBe(false);
    }
  });

  it('takes a session many times, from anybody, and reports the certificate of its owner', () => {
    const [clientConfig, serverConfig, thiefConfig] = [configOf(), configOf(), configOf()];
    const session = collectSession(clientConfig, serverConfig);
    const chains: string[] = [];
    for (const config of [clientConfig, clientConfig, thiefConfig]) {
      const [client, server] = [connect(config), accept(serverConfig)];
      client.setSession(session);
      exchange(client, server);
      expect([client.isResumed(), server.isResumed()]).toEqual([true, true]);
      // A resumed connection still has the peer's certificate, on both sides.
      expect(client.peerCertChain()).toHaveLength(1);
      chains.push(Buffer.from(server.peerCertChain()?.[0] ?? []).toString('hex'));
    }
    expect(new Set(chains).size).toBe(1);
    expect(chains[0]).not.toBe('');
  });

  it('takes no session of before once the key of tickets was changed', () => {
    const [clientConfig, serverConfig] = [configOf(), configOf()];
    const session = collectSession(clientConfig, serverConfig);
    serverConfig.setTicketKey(randomBytes(48));
    const [client, server] = [connect(clientConfig), accept(serverConfig)];
    client.setSession(session);
    exchange(client, server);
    expect([client.isEstablished(), client.isResumed(), server.isResumed()]).toEqual([true, false, false]);
  });

  it('allows streams and sends early only after the first packet was made', () => {
    const [clientConfig, serverConfig] = [configOf(), configOf()];
    const session = collectSession(clientConfig, serverConfig);
    const client = connect(clientConfig);
    client.setSession(session);
    expect(client.isInEarlyData()).toBe(false);
    flush(client);
    expect(client.isInEarlyData()).toBe(true);
    expect(client.peerStreamsLeftUni()).toBeGreaterThan(0);
    expect(client.streamSend(2, Buffer.from('early'), false)).toBe(5);
  });

  it('throws on a session that is none', () => {
    expect(() => connect(configOf()).setSession(Buffer.from('no session'))).toThrow();
  });
});

describe('the pinned binding: handshakes', () => {
  it('keeps whatever a half-open connection is sent, without a limit of its own', () => {
    const [client, server] = [connect(configOf()), accept(configOf())];
    const [initial] = flush(client, 1_200);
    if (initial === undefined) throw new Error('a client begins');
    deliver([initial], server, CLIENT);
    let taken = 0;
    for (let i = 0; i < 1_000; i++)
      taken += server.recv(Buffer.from(initial), { from: CLIENT, to: LOCAL_HOST_PORT });
    expect(taken).toBe(1_000 * initial.length);
    expect(server.isClosed()).toBe(false);
  });

  it('sends no close while the congestion window is full, until its probe timeout', async () => {
    const { client } = established();
    while ((client.streamSend(0, Buffer.alloc(50_000), false) ?? 0) > 0) flush(client);
    client.close(true, 4, Buffer.from('not paired'));
    expect(flush(client)).toEqual([]);
    expect(client.isDraining()).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, (client.timeout() ?? 0) + 2));
    client.onTimeout();
    expect(flush(client)).toHaveLength(1);
    expect(client.isDraining()).toBe(true);
  });

  it('lets a dialler close only after its Finished was sent', () => {
    const [client, server] = [connect(configOf()), accept(configOf())];
    deliver(flush(client), server, CLIENT);
    deliver(flush(server), client, SERVER);
    expect(client.isEstablished()).toBe(true);
    // Not flushed: the close goes out under keys that the acceptor has no use for yet.
    client.close(true, 4, Buffer.from('not paired'));
    deliver(flush(client), server, CLIENT);
    expect(server.peerError()?.isApp ?? false).toBe(false);
  });

  it('reads the list of protocols when a connection is accepted', () => {
    const serverConfig = configOf(['a/1']);
    serverConfig.setApplicationProtos(['b/1']);
    const [client, server] = [connect(configOf(['b/1'])), accept(serverConfig)];
    serverConfig.setApplicationProtos(['c/1']);
    exchange(client, server);
    expect(Buffer.from(server.applicationProto()).toString()).toBe('b/1');
  });

  it('has 128 bytes for transport parameters, and throws where a stranger makes them longer', () => {
    const attempt = (originalBytes: number): QuicheConnection => {
      const config = configOf();
      config.setStatelessResetToken(1n << 120n);
      config.setActiveConnectionIdLimit(2);
      const original = randomBytes(originalBytes);
      return quiche.Connection.accept(createConnectionId(), original, LOCAL_HOST_PORT, CLIENT, config);
    };
    expect(attempt(16).isClosed()).toBe(false);
    expect(() => attempt(20)).toThrow('BufferTooShort');
  });
});

describe('the pinned binding: streams', () => {
  it('orders by urgency only what it has accepted: an urgent byte waits when the window is full', () => {
    const { client } = established();
    client.streamPriority(0, 6, true);
    client.streamPriority(4, 0, true);
    for (;;) if ((client.streamSend(0, Buffer.alloc(100_000), false) ?? 0) === 0) break;
    expect(client.streamSend(4, Buffer.from('urgent'), false)).toBeNull();
  });

  it('stops everything, urgent streams too, when streams are not read', () => {
    const window = 256 * 1024;
    const { client, exchange: carry } = established({
      profile: { initialConnectionWindowBytes: window, maxConnectionWindowBytes: window },
    });
    for (let i = 0; i < 50; i++) {
      client.streamSend(0, Buffer.alloc(100_000), false);
      carry();
    }
    client.streamPriority(4, 0, true);
    expect(client.streamSend(4, Buffer.from('urgent'), false)).toBeNull();
    expect(client.isClosed()).toBe(false);
  });
});

describe('the pinned binding: sizes', () => {
  it('caps packets at 16,383 bytes, whatever the buffer', () => {
    const config = configOf();
    config.setMaxSendUdpPayloadSize(65_000);
    const [client, server] = [connect(config), accept(configOf())];
    exchange(client, server);
    client.streamSend(0, Buffer.alloc(120_000), false);
    const sizes = flush(client, 65_535).map((packet) => packet.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16_383);
  });

  it('begins with a congestion window of ten times the configured size', () => {
    for (const sizeBytes of [1_200, 9_000]) {
      const config = configOf();
      config.setMaxSendUdpPayloadSize(sizeBytes);
      expect(connect(config).pathStats()[0]?.cwnd).toBe(10 * sizeBytes);
    }
  });

  it('lets a datagram that is larger than the packet block those behind it', () => {
    const [clientConfig, serverConfig] = [configOf(), configOf()];
    clientConfig.setMaxSendUdpPayloadSize(1_350);
    const [client, server] = [connect(clientConfig), accept(serverConfig)];
    exchange(client, server);
    client.dgramSend(Buffer.alloc(1_250, 0x80));
    client.dgramSend(Buffer.alloc(10, 0x81));
    for (let i = 0; i < 5; i++) {
      client.sendAckEliciting();
      deliver(flush(client, 1_200), server, CLIENT);
    }
    expect(client.dgramSendQueueLen()).toBe(2);
    expect(server.dgramRecvQueueLen()).toBe(0);
    exchange(client, server);
    expect(client.dgramSendQueueLen()).toBe(0);
  });

  it('measures round trips in whole milliseconds', () => {
    const { client } = established();
    expect(Number.isInteger(client.pathStats()[0]?.rtt)).toBe(true);
  });
});

describe('the pinned binding: addresses', () => {
  it('lets a dialler ignore answers from another address', () => {
    const [client, server] = [connect(configOf()), accept(configOf())];
    deliver(flush(client), server, CLIENT);
    deliver(flush(server), client, { host: '127.0.0.2', port: 3 });
    expect(client.isEstablished()).toBe(false);
  });

  it('lets the acceptor follow a dialler, and not the other way round', () => {
    const { client, server } = established();
    const elsewhere = { host: '127.0.0.9', port: 9 };
    client.streamSend(0, Buffer.from('moved'), false);
    exchange(client, server, elsewhere);
    expect(server.pathStats().find((path) => path.active)?.peerHost).toEqual(elsewhere);
    server.streamSend(0, Buffer.from('moved'), false);
    deliver(flush(server), client, elsewhere);
    expect([...client.readable()]).toEqual([]);
    expect(client.pathStats().find((path) => path.active)?.peerHost).toEqual(SERVER);
  });

  it('follows to as many addresses as connection IDs are allowed, and then to none', () => {
    const { client, server } = established();
    const addresses = Array.from({ length: 70 }, (_, i) => ({ host: '127.0.0.1', port: 1_000 + i }));
    let followed = 0;
    for (const address of addresses) {
      client.streamSend(0, Buffer.from('x'), false);
      exchange(client, server, address);
      if (server.pathStats().find((path) => path.active)?.peerHost.port !== address.port) break;
      followed += 1;
    }
    expect(followed).toBe(63);
  });
});
