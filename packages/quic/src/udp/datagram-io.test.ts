import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { SocketAddress } from '../transport.js';
import type { DatagramIo } from './datagram-io.js';
import { loadNativeUdp } from './native-binding.js';
import { openDatagramIo } from './open-datagram-io.js';

const BUFFERS = { receiveBufferBytes: 4 * 1024 * 1024, sendBufferBytes: 4 * 1024 * 1024 };
const LOOPBACK = { host: '127.0.0.1', port: 0 };

const opened: DatagramIo[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((io) => io.close()));
});

for (const choice of ['dgram', 'native'] as const) {
  const isThere = choice === 'dgram' || loadNativeUdp() !== undefined;
  describe.skipIf(!isThere)(`datagram I/O: ${choice}${isThere ? '' : ' (not built on this machine)'}`, () => {
    const open = async (listen: SocketAddress = LOOPBACK): Promise<DatagramIo> => {
      const io = await openDatagramIo(choice, listen, BUFFERS);
      opened.push(io);
      return io;
    };

    test('brings every packet to whom it is for, whole, whatever sizes and addresses follow each other', async () => {
      const sender = await open();
      const sinks = [await openSink(open), await openSink(open)];
      const packet = fc.record({
        asked: fc.constantFrom(1_200, 1_350, 9_000, 16_383),
        unused: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(1_100)),
        sink: fc.nat(1),
        isTaken: fc.boolean(),
        endsBatch: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(packet, { minLength: 1, maxLength: 150 }), async (packets) => {
          const expected: string[][] = [[], []];
          for (const [i, { asked, unused, sink, isTaken, endsBatch }] of packets.entries()) {
            const buffer = sender.allocate(asked);
            if (buffer === undefined) return;
            buffer.fill(i);
            // A buffer that was asked for and not used, as at the end of what a connection has to say.
            if (!isTaken) continue;
            const target = sinks[sink];
            if (target === undefined) return;
            const { host, port } = target.io.localAddress;
            sender.send(asked - unused, host, port);
            expected[sink]?.push(`${asked - unused}×${i % 256}`);
            if (endsBatch) sender.flush();
          }
          sender.flush();
          for (const [i, sink] of sinks.entries()) {
            expect(await sink.take(expected[i]?.length ?? 0)).toEqual(expected[i]);
          }
        }),
        { numRuns: 40 },
      );
    });

    test('names the sender, an IPv4 one also on a socket for both families', async () => {
      const both = await openSink(() => open({ host: '::', port: 0 }));
      const sender = await open();
      sender.allocate(100)?.fill(1);
      sender.send(100, '127.0.0.1', both.io.localAddress.port);
      sender.flush();
      await both.take(1);
      expect(both.lastSender).toEqual(sender.localAddress);

      const back = await openSink(async () => sender);
      both.io.allocate(50)?.fill(2);
      both.io.send(50, '127.0.0.1', sender.localAddress.port);
      both.io.flush();
      expect(await back.take(1)).toEqual(['50×2']);
    });

    test('says which address cannot be had', async () => {
      const first = await open();
      await expect(open(first.localAddress)).rejects.toMatchObject({
        code: 'listen-failed',
        cause: expect.objectContaining({ code: 'EADDRINUSE' }),
      });
    });

    test('takes and gives nothing after its close', async () => {
      const io = await open();
      await io.close();
      expect(io.allocate(100)).toBeUndefined();
      await io.close();
      const again = await open(io.localAddress);
      expect(again.localAddress).toEqual(io.localAddress);
    });

    test('loses a packet for an address of another family, and goes on', async () => {
      const sender = await open();
      const sink = await openSink(open);
      const { host, port } = sink.io.localAddress;
      sender.allocate(1_200)?.fill(1);
      sender.send(1_200, 'ff02::1', port);
      sender.allocate(1_200)?.fill(2);
      sender.send(1_200, host, port);
      sender.flush();
      expect(await sink.take(1)).toEqual(['1200×2']);
    });
  });
}

interface Sink {
  readonly io: DatagramIo;
  readonly lastSender: SocketAddress | undefined;
  /** The next datagrams, each as its length and its one repeated byte. */
  take(count: number): Promise<string[]>;
}

async function openSink(open: () => Promise<DatagramIo>): Promise<Sink> {
  const io = await open();
  const received: string[] = [];
  let lastSender: SocketAddress | undefined;
  let wake = (): void => {};
  io.onDatagram((datagram, host, port) => {
    const isWhole = datagram.every((byte) => byte === datagram[0]);
    received.push(`${datagram.length}×${isWhole ? datagram[0] : 'mixed'}`);
    lastSender = { host, port };
    wake();
  });
  return {
    io,
    get lastSender() {
      return lastSender;
    },
    async take(count) {
      while (received.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return received.splice(0);
    },
  };
}
