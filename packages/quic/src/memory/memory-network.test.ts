import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection, VerifyPeer } from '../transport.js';
import { createMemoryNetwork, type MemoryNetwork, type NetworkEndpoint } from './memory-network.js';

const ALPN = 'memory/1';
const acceptAnyone: VerifyPeer = () => ({ accepted: true, identity: { key: 'peer' } });
const [HOST_A, HOST_B] = ['10.0.0.1', '10.0.0.2'];

let network: MemoryNetwork;

function createEndpoint(host: string): NetworkEndpoint {
  const endpoint = network.endpoint(
    { host, port: 4_000 },
    { certificate: Buffer.from(host), verifyPeer: acceptAnyone },
  );
  endpoint.setAcceptedProtocols([ALPN]);
  return endpoint;
}

async function connect(): Promise<{
  a: NetworkEndpoint;
  b: NetworkEndpoint;
  dialled: Connection;
  accepted: Connection;
}> {
  const [a, b] = [createEndpoint(HOST_A), createEndpoint(HOST_B)];
  let accepted: Connection | undefined;
  b.onConnection((connection) => {
    accepted = connection;
  });
  const dialling = a.connect(b.localAddress, { alpn: ALPN, verifyPeer: acceptAnyone });
  await network.clock.advance(1_000);
  const dialled = await dialling;
  if (accepted === undefined) throw new Error('nobody came');
  return { a, b, dialled, accepted };
}

/** Everything that arrives on the streams of a connection, with its time. */
function record(connection: Connection): [number, number][] {
  const log: [number, number][] = [];
  connection.onStream((stream) => {
    void (async () => {
      for (;;) {
        const bytes = await stream.read();
        if (bytes === null) return;
        log.push([network.clock.now(), bytes.length]);
      }
    })().catch(() => {});
  });
  return log;
}

async function send(connection: Connection, sizes: readonly number[]): Promise<void> {
  for (const size of sizes) {
    const stream = await connection.openUni();
    void stream.write(new Uint8Array(size));
    void stream.finish();
  }
}

beforeEach(() => {
  network = createMemoryNetwork({ latencyMs: 10 });
});

describe('the network in memory', () => {
  it('takes the time of its latency and bandwidth', async () => {
    network.setConditions(HOST_A, HOST_B, { bytesPerSecond: 1_000_000 });
    const { dialled, accepted } = await connect();
    const log = record(accepted);
    const startedAt = network.clock.now();
    await send(dialled, [1_000_000]);
    await network.clock.advance(5_000);
    const total = log.reduce((sum, [, size]) => sum + size, 0);
    expect(total).toBe(1_000_000);
    const took = (log.at(-1)?.[0] ?? 0) - startedAt;
    expect(took).toBeGreaterThan(1_000);
    expect(took).toBeLessThan(1_200);
  });

  it('runs the same way with the same seed, and another way with another', async () => {
    const run = async (seed: number): Promise<string> => {
      network = createMemoryNetwork({ latencyMs: 5, jitterMs: 20, lossRate: 0.2, seed });
      const { dialled, accepted } = await connect();
      const log = record(accepted);
      await send(dialled, [1_000, 200_000, 5, 70_000]);
      await network.clock.advance(5_000);
      return JSON.stringify(log);
    };
    const first = await run(1);
    expect(await run(1)).toBe(first);
    expect(await run(2)).not.toBe(first);
  });

  it('delivers after a short cut what was sent during it', async () => {
    const { dialled, accepted } = await connect();
    const log = record(accepted);
    network.cut(HOST_A, HOST_B);
    await send(dialled, [500]);
    await network.clock.advance(20_000);
    expect(log).toEqual([]);
    network.mend(HOST_A, HOST_B);
    await network.clock.advance(100);
    expect(log.map(([, size]) => size)).toEqual([500]);
  });

  it('times both ends out when a cut lasts', async () => {
    const { dialled, accepted } = await connect();
    network.cut(HOST_A, HOST_B);
    await network.clock.advance(29_000);
    expect(await Promise.race([dialled.closed, 'still open'])).toBe('still open');
    await network.clock.advance(1_001);
    expect(await dialled.closed).toMatchObject({ by: 'timeout' });
    expect(await accepted.closed).toMatchObject({ by: 'timeout' });
  });

  it('lets peers of a crashed endpoint find out by their timeout', async () => {
    const { a, b, dialled } = await connect();
    let ended = false;
    void dialled.closed.then(() => {
      ended = true;
    });
    b.crash();
    await network.clock.advance(29_000);
    expect(ended).toBe(false);
    await network.clock.advance(2_000);
    expect(await dialled.closed).toMatchObject({ by: 'timeout' });
    expect(a.stats().connections).toBe(0);
    // The address is free again.
    createEndpoint(HOST_B);
  });

  it('lets no time pass by itself', async () => {
    const { a, b } = await connect();
    const before = network.clock.now();
    await Promise.all([a.close(0, ''), b.close(0, '')]);
    expect(network.clock.now()).toBe(before);
  });
});
