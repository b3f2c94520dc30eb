import { describe, expect, it } from 'vitest';
import type { ReceiveStream } from '../../packages/quic/src/index.js';
import {
  asBidi,
  type ContractStage,
  collectStreams,
  openPing,
  readAll,
  writeAll,
} from './transport-contract-stage.js';

/** Who has to wait for whom. */
export function describeFlow(stage: ContractStage): void {
  describe('backpressure', () => {
    it('stops a writer whose reader does not read, and nobody else', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const ping = await openPing(dialled);
      const control = ping();
      const pong = asBidi(await next());
      void (async () => {
        for (;;) {
          const bytes = await pong.read();
          if (bytes === null) return;
          await pong.write(bytes);
        }
      })().catch(() => {});
      await control;

      const total = 24 * 1024 * 1024;
      const chunk = 64 * 1024;
      const bulk = await dialled.openUni({ urgency: 5 });
      let written = 0;
      const writing = (async () => {
        for (; written < total; written += chunk) await bulk.write(Buffer.alloc(chunk, 1));
        await bulk.finish();
      })();
      const unread = await next();
      let before = -1;
      // Until nothing moves any more: the pings show that the rest of the connection does.
      while (before !== written) {
        before = written;
        for (let i = 0; i < 20; i++) await ping();
      }
      expect(written).toBeLessThan(8 * 1024 * 1024);
      const reading = readAll(unread);
      await writing;
      expect((await reading).length).toBe(total);
    });

    it('resolves a write only when there is room', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const stream = await dialled.openUni();
      let hasRoom = false;
      const size = 20 * 1024 * 1024;
      const writing = stream.write(Buffer.alloc(size)).then(() => {
        hasRoom = true;
      });
      const incoming = await next();
      expect(hasRoom).toBe(false);
      expect(stream.bufferedBytes).toBeGreaterThan(0);
      let received = 0;
      const reading = (async () => {
        for (;;) {
          const bytes = await (incoming as ReceiveStream).read();
          if (bytes === null) return;
          received += bytes.length;
        }
      })();
      await writing;
      expect(received).toBeGreaterThan(0);
      await stream.finish();
      await reading;
      expect(received).toBe(size);
      expect(stream.bufferedBytes).toBe(0);
    });
  });

  describe('urgency', () => {
    it('lets a control frame overtake bulk that was written before it', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const control = await dialled.openUni({ urgency: 0 });
      await control.write(Buffer.from('first'));
      const incomingControl = (await next()) as ReceiveStream;
      await incomingControl.read();
      const bulk = await dialled.openUni({ urgency: 6 });
      const total = 48 * 1024 * 1024;
      const writing = writeAll(bulk, Buffer.alloc(total));
      const incomingBulk = (await next()) as ReceiveStream;
      let received = 0;
      const reading = (async () => {
        for (;;) {
          const bytes = await incomingBulk.read();
          if (bytes === null) return;
          received += bytes.length;
        }
      })();
      await control.write(Buffer.from('urgent'));
      await incomingControl.read();
      expect(received).toBeLessThan(total / 2);
      await Promise.all([reading, writing]);
      expect(received).toBe(total);
    });

    it('serves the more urgent of two streams first', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const [slow, fast] = await Promise.all([
        dialled.openUni({ urgency: 6 }),
        dialled.openUni({ urgency: 6 }),
      ]);
      fast.setUrgency(2);
      const size = 8 * 1024 * 1024;
      const writes = Promise.all([writeAll(slow, Buffer.alloc(size)), writeAll(fast, Buffer.alloc(size))]);
      const finished: number[] = [];
      const reads = [await next(), await next()].map(async (stream) => {
        const bytes = await readAll(stream);
        finished.push(stream.id);
        return bytes.length;
      });
      expect(await Promise.all(reads)).toEqual([size, size]);
      await writes;
      if ((await stage.start()).isReordering !== true) expect(finished).toEqual([fast.id, slow.id]);
      expect(finished.sort()).toEqual([slow.id, fast.id].sort());
    });
  });
}
