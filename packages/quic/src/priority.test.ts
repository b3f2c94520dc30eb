import { describe, expect, it } from 'vitest';
import { createMemoryNetwork } from './memory/index.js';
import { Priority } from './priority.js';
import { StreamReader } from './streams/stream-reader.js';
import type { Connection, ReceiveStream } from './transport.js';

const ALPN = 'priority/1';
const verifyPeer = () => ({ accepted: true, identity: { key: 'peer' } }) as const;

describe('Priority', () => {
  it('goes from the most urgent to the least', () => {
    const { critical, high, normal, low, background } = Priority;
    expect([critical, high, normal, low, background]).toEqual([0, 1, 3, 5, 7]);
  });

  it('lets a critical message pass 64 MB of background data in under 20 ms at 100 Mbit/s', async () => {
    const network = createMemoryNetwork({ latencyMs: 1, bytesPerSecond: 100_000_000 / 8 });
    const [near, far] = ['10.0.0.1', '10.0.0.2'].map((host) =>
      network.endpoint({ host, port: 0 }, { certificate: Uint8Array.of(1), verifyPeer }),
    );
    if (near === undefined || far === undefined) throw new Error('two endpoints');
    far.setAcceptedProtocols([ALPN]);
    let messageAtMs = 0;
    let bulkBytes = 0;
    far.onConnection((connection) => {
      connection.onStream((stream) => {
        const reader = new StreamReader(stream as ReceiveStream);
        void (async () => {
          const kind = await reader.readExactly(1);
          if (kind[0] === 1) {
            await reader.readExactly(1_000);
            messageAtMs = network.clock.now();
            return;
          }
          for (;;) bulkBytes += (await reader.read())?.length ?? 0;
        })().catch(() => {});
      });
    });
    const dialling: Promise<Connection> = near.connect(far.localAddress, { alpn: ALPN, verifyPeer });
    await network.clock.advance(100);
    const connection = await dialling;
    const opening = Promise.all([
      connection.openUni({ urgency: Priority.background }),
      connection.openUni({ urgency: Priority.critical }),
    ]);
    await network.clock.advance(1);
    const [background, critical] = await opening;
    void background.write(Uint8Array.of(2));
    void background.write(new Uint8Array(64 * 1024 * 1024)).catch(() => {});
    await network.clock.advance(200);
    expect(bulkBytes).toBeGreaterThan(1024 * 1024);
    expect(background.bufferedBytes).toBeGreaterThan(48 * 1024 * 1024);
    const sentAtMs = network.clock.now();
    void critical.write(Uint8Array.of(1));
    void critical.write(new Uint8Array(1_000));
    await network.clock.advance(100);
    expect(messageAtMs - sentAtMs).toBeGreaterThan(0);
    expect(messageAtMs - sentAtMs).toBeLessThan(20);
    await near.close(0, 'the test is over');
  });
});
