import { beforeEach, describe, expect, it } from 'vitest';
import { createMemoryNetwork, type MemoryNetwork, type NetworkEndpoint } from '../memory/index.js';
import type { Connection, DialOptions, SocketAddress, VerifyPeer } from '../transport.js';
import { PeerConnector } from './peer-connector.js';

const ALPN = 'pool/1';
const acceptAnyone: VerifyPeer = () => ({ accepted: true, identity: { key: 'peer' } });
const PEER = { host: '10.0.0.2', port: 4_000 };

let network: MemoryNetwork;
let dialler: NetworkEndpoint;
let dialled: { address: SocketAddress; atMs: number }[];
let connections: Connection[];
let failures: SocketAddress[];

function createConnector(addresses: readonly SocketAddress[], random = () => 1 - 1e-9): PeerConnector {
  const { clock } = network;
  const endpoint = {
    connect: (address: SocketAddress, options: DialOptions) => {
      dialled.push({ address, atMs: clock.now() });
      return dialler.connect(address, options);
    },
  };
  return new PeerConnector(
    {
      endpoint,
      alpn: ALPN,
      verifyPeer: acceptAnyone,
      clock: { nowMs: () => clock.now(), after: (delayMs, callback) => clock.schedule(delayMs, callback) },
      random,
    },
    {
      addresses,
      onConnection: (connection) => connections.push(connection),
      onAttemptFailed: (_error, address) => failures.push(address),
    },
  );
}

function listen(address = PEER, verifyPeer = acceptAnyone): NetworkEndpoint {
  const endpoint = network.endpoint(address, { certificate: Buffer.from(address.host), verifyPeer });
  endpoint.setAcceptedProtocols([ALPN]);
  endpoint.onConnection(() => {});
  return endpoint;
}

function hostsDialled(): string[] {
  return dialled.map(({ address }) => address.host);
}

beforeEach(() => {
  network = createMemoryNetwork({ latencyMs: 1 });
  dialler = network.endpoint(
    { host: '10.0.0.1', port: 4_000 },
    { certificate: Buffer.from('a'), verifyPeer: acceptAnyone },
  );
  dialled = [];
  connections = [];
  failures = [];
});

describe('PeerConnector', () => {
  it('hands over one connection, and dials again after it has ended', async () => {
    const peer = listen();
    const connector = createConnector([PEER]);
    connector.start();
    await network.clock.advance(20_000);
    expect(connections).toHaveLength(1);
    expect(dialled).toHaveLength(1);
    await peer.close(6, 'shutting down');
    await network.clock.advance(1);
    listen();
    await network.clock.advance(510);
    expect(connections).toHaveLength(2);
    connector.stop();
  });

  it('waits with exponential backoff while nobody answers', async () => {
    const connector = createConnector([PEER]);
    connector.start();
    await network.clock.advance(60_000);
    const starts = dialled.map(({ atMs }) => atMs);
    // A dial to nobody takes 10 s; the waits in between double.
    const waits = starts.slice(1).map((atMs, i) => Math.round(atMs - (starts[i] ?? 0) - 10_000));
    expect(waits).toEqual([500, 1_000, 2_000, 4_000]);
    expect(failures.length).toBeGreaterThanOrEqual(4);
    connector.stop();
  });

  it('races addresses a quarter of a second apart, the last that authenticated first the next time', async () => {
    const dead = [7, 8].map((n) => ({ host: `10.0.0.${n}`, port: 1 }));
    const peer = listen();
    const connector = createConnector([...dead, PEER]);
    connector.start();
    await network.clock.advance(600);
    expect(dialled.map(({ atMs }) => atMs)).toEqual([0, 250, 500]);
    expect(connections).toHaveLength(1);
    expect(connections[0]?.remoteAddress).toEqual(PEER);
    await network.clock.advance(20_000);
    dialled = [];
    await peer.close(6, '');
    listen();
    await network.clock.advance(600);
    expect(hostsDialled()[0]).toBe(PEER.host);
    expect(connections).toHaveLength(2);
    connector.stop();
  });

  it('tries at most eight addresses in an attempt', async () => {
    const connector = createConnector(
      Array.from({ length: 12 }, (_, i) => ({ host: `10.0.1.${i}`, port: 1 })),
    );
    connector.start();
    await network.clock.advance(9_000);
    expect(dialled).toHaveLength(8);
    connector.stop();
  });

  it('asks a peer that does not know us again after ten minutes, or when told to', async () => {
    listen(PEER, () => ({ accepted: false, closeCode: 4, reason: 'not paired' }));
    const connector = createConnector([PEER]);
    connector.start();
    await network.clock.advance(599_000);
    expect(dialled).toHaveLength(1);
    expect(connector.notPaired).toBe(true);
    connector.setAddresses([PEER], { fresh: true });
    await network.clock.advance(100);
    expect(dialled).toHaveLength(1);
    await network.clock.advance(2_000);
    expect(dialled).toHaveLength(2);
    connector.kick();
    await network.clock.advance(100);
    expect(dialled).toHaveLength(3);
    connector.stop();
  });

  it('dials at once upon news of the device', async () => {
    const connector = createConnector([PEER]);
    connector.start();
    await network.clock.advance(200_000);
    listen();
    connector.setAddresses([PEER], { fresh: true });
    await network.clock.advance(11_000);
    expect(connections).toHaveLength(1);
    connector.stop();
  });

  it('dials when the first address becomes known', async () => {
    listen();
    const connector = createConnector([]);
    connector.start();
    await network.clock.advance(1_000);
    expect(dialled).toHaveLength(0);
    connector.setAddresses([PEER], { fresh: false });
    await network.clock.advance(10);
    expect(connections).toHaveLength(1);
    connector.stop();
  });

  it('does not dial while a connection that the peer dialled is up', async () => {
    const peer = listen();
    const connector = createConnector([]);
    connector.start();
    dialler.setAcceptedProtocols([ALPN]);
    const incoming = new Promise<Connection>((resolve) => dialler.onConnection(resolve));
    void peer.connect(dialler.localAddress, { alpn: ALPN, verifyPeer: acceptAnyone });
    await network.clock.advance(10);
    const connection = await incoming;
    connector.connected(connection);
    connector.setAddresses([PEER], { fresh: true });
    await network.clock.advance(30_000);
    expect(dialled).toHaveLength(0);
    await connection.close(0, '');
    await network.clock.advance(1_000);
    expect(dialled.length).toBeGreaterThan(0);
    connector.stop();
  });

  it('gives up what it dials when stopped, and keeps nothing waiting', async () => {
    const connector = createConnector([PEER]);
    connector.start();
    await network.clock.advance(100);
    connector.stop();
    listen();
    await network.clock.advance(100_000);
    expect(dialled).toHaveLength(1);
    expect(connections).toHaveLength(0);
    expect(dialler.stats()).toMatchObject({ connections: 0, halfOpen: 0 });
  });
});
