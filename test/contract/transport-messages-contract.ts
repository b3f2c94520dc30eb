import { describe, expect, it } from 'vitest';
import { type ReceiveStream, SessionCache } from '../../packages/quic/src/index.js';
import { type ContractStage, collectStreams, readAll, writeAll } from './transport-contract-stage.js';

/** What travels beside streams or before them, and what can be seen of all of it. */
export function describeMessages(stage: ContractStage): void {
  describe('datagrams', () => {
    it('carry messages both ways, and count them', async () => {
      const { dialled, accepted } = await stage.connect();
      for (const [from, to] of [
        [dialled, accepted],
        [accepted, dialled],
      ] as const) {
        const received = new Promise<Uint8Array>((resolve) => to.datagrams?.onDatagram(resolve));
        let isThere = false;
        void received.then(() => {
          isThere = true;
        });
        // One of them may be lost.
        while (!isThere) {
          expect(from.datagrams?.send(Uint8Array.of(0x80, 1, 2))).toBe(true);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        expect([...(await received)]).toEqual([0x80, 1, 2]);
        expect(from.stats().datagrams.sent).toBeGreaterThan(0);
        expect(to.stats().datagrams.bytesReceived).toBe(3 * to.stats().datagrams.received);
      }
    });

    it('are refused when too large, or when their first byte is the transport’s', async () => {
      const { dialled } = await stage.connect();
      const { datagrams } = dialled;
      if (datagrams === undefined) throw new Error('both have datagrams');
      expect(datagrams.maxBytes).toBeGreaterThanOrEqual(1_100);
      expect(datagrams.send(new Uint8Array(70_000).fill(0x80))).toBe(false);
      expect(() => datagrams.send(Uint8Array.of(0x7f))).toThrow(RangeError);
      expect(dialled.stats().datagrams).toMatchObject({ sent: 0, droppedTooLarge: 1 });
      await dialled.close(0, '');
      expect(datagrams.maxBytes).toBe(0);
    });
  });

  describe('the early stream', () => {
    it('begins with the early data, and goes on', async () => {
      const dialler = await stage.createEndpoint();
      const acceptor = await stage.createEndpoint();
      const read = new Promise<string>((resolve) => {
        acceptor.onConnection(async (connection) => {
          const stream = (await collectStreams(connection)()) as ReceiveStream;
          resolve((await readAll(stream)).toString());
        });
      });
      const connection = await stage.dial(dialler, acceptor, {
        earlyData: Buffer.from('hello, '),
        resumption: { sessions: new SessionCache(), peerKey: 'the acceptor' },
      });
      expect(connection.isResumed).toBe(false);
      const stream = await connection.earlyStream;
      if (stream === undefined) throw new Error('early data was given');
      await writeAll(stream, 'world');
      expect(await read).toBe('hello, world');
    });

    it('is there only where early data was given', async () => {
      const { dialled, accepted } = await stage.connect();
      expect([dialled.earlyStream, accepted.earlyStream]).toEqual([undefined, undefined]);
    });
  });

  describe('statistics of streams', () => {
    it('show for each open stream what went over it', async () => {
      const { dialled, accepted } = await stage.connect();
      const next = collectStreams(accepted);
      const stream = await dialled.openUni({ urgency: 5 });
      await stream.write(Buffer.alloc(1_000));
      const incoming = (await next()) as ReceiveStream;
      let received = 0;
      while (received < 1_000) received += (await incoming.read())?.length ?? 0;
      expect(dialled.streamStats()).toMatchObject([
        {
          id: stream.id,
          kind: 'uni',
          openedBy: 'local',
          urgency: 5,
          bytesIn: 0,
          bytesOut: 1_000,
          bufferedBytes: 0,
        },
      ]);
      expect(accepted.streamStats()).toMatchObject([
        { id: stream.id, kind: 'uni', openedBy: 'peer', bytesIn: 1_000, bytesOut: 0 },
      ]);
      await stream.finish();
      expect(await incoming.read()).toBeNull();
      expect(accepted.streamStats()).toEqual([]);
      expect(accepted.stats()).toMatchObject({ streamsOpened: 1, streamsOpen: 0, streamsClosed: 1 });
    });
  });
}
