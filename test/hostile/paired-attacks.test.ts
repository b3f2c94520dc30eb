import { describe, expect, onTestFinished, test } from 'vitest';
import { CloseCode, FrameType, StreamKind } from '../../packages/daemon/src/core/wire/frame-types.js';
import { Limits } from '../../packages/daemon/src/core/wire/limits.js';
import { wireFolder } from '../support/wire-entry.js';
import { expectWithstands, useAttackStage } from './attack-stage.js';
import type { RawPeer } from './raw-peer.js';
import {
  bidiStream,
  CONTROL_STREAM,
  connectRaw,
  frameBytes,
  openRawSession,
  uniStream,
} from './raw-session.js';

const stage = useAttackStage();
const ATTACK_MS = 3_000;

/** For as long as an attack goes on: what it does next; true when it has had enough. */
async function attackFor(ms: number, step: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) if ((await step()) === true) return;
}

function ended(peer: RawPeer): RawPeer {
  onTestFinished(() => peer.end());
  return peer;
}

async function untilClosed(peer: RawPeer, ms: number): Promise<number | undefined> {
  const end = performance.now() + ms;
  while (!peer.isClosed && performance.now() < end) await peer.nextPacket();
  expect(peer.isClosed, 'the daemon closed the connection').toBe(true);
  return peer.closeCode;
}

function headOf(type: number, length: number): Uint8Array {
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32BE(length, 1);
  return head;
}

describe('a paired device', () => {
  test('that never says what its streams are', async () => {
    const codes = await expectWithstands(stage(), 'unidentified streams', async () => {
      const seen: (number | undefined)[] = [];
      for (const begin of [
        // An index stream without its shard; streams of which the daemon learns by a request to stop them alone.
        (peer: RawPeer) => peer.send(uniStream(0), Uint8Array.of(StreamKind.indexShard)),
        (peer: RawPeer) => {
          for (let n = 0; n < 500; n++) peer.abort(bidiStream(n), 0, 1);
          peer.send(uniStream(0), Uint8Array.of(StreamKind.indexShard));
        },
      ]) {
        const peer = ended(await openRawSession(stage()));
        begin(peer);
        peer.flush();
        seen.push(await untilClosed(peer, 4_000));
      }
      return seen;
    });
    expect(codes[0]).toBe(CloseCode.protocolError);
    expect(codes[1]).toBeDefined();
  });

  test('that opens 10,000 streams', async () => {
    const opened = await expectWithstands(stage(), '10,000 streams', async () => {
      const peer = ended(await openRawSession(stage()));
      let count = 0;
      // The first ones stay open; the others come and go for as long as there is credit for them.
      const kept = 900;
      await attackFor(3 * ATTACK_MS, async () => {
        while (
          count < 10_000 &&
          peer.send(bidiStream(count), Uint8Array.of(StreamKind.chunks), count >= kept)
        )
          count++;
        while (peer.flush() > 0);
        if (count === 10_000) return true;
        await peer.nextPacket();
        for (const id of peer.quiche.readable()) peer.drain(id);
      });
      return count;
    });
    expect(opened).toBe(10_000);
  });

  test('that resets and stops streams without end', async () => {
    const connections = await expectWithstands(stage(), 'resets and stops', async () => {
      let count = 0;
      let peer = ended(await openRawSession(stage()));
      let next = 0;
      await attackFor(ATTACK_MS, async () => {
        if (peer.isClosed) {
          count++;
          next = 0;
          peer = ended(await openRawSession(stage()));
        }
        for (let i = 0; i < 20; i++, next++) {
          peer.send(bidiStream(next), Uint8Array.of(StreamKind.chunks, 1, 2));
          peer.flush();
          peer.abort(bidiStream(next), next % 2 === 0 ? 1 : 0, 7);
        }
        peer.flush();
        await peer.nextPacket();
      });
      return count;
    });
    expect(connections, 'connections closed for it').toBeGreaterThan(0);
  });

  test('that sends one byte a second', async () => {
    const codes = await expectWithstands(stage(), 'one byte a second', async () => {
      const hello = Buffer.concat([
        Uint8Array.of(StreamKind.control),
        frameBytes({ type: 'goodbye', reason: 'x'.repeat(100) }),
      ]);
      const slow = await Promise.all(Array.from({ length: 5 }, () => connectRaw(stage()).then(ended)));
      for (let second = 0; second < 12 && slow.some((peer) => !peer.isClosed); second++) {
        for (const peer of slow) {
          peer.send(CONTROL_STREAM, hello.subarray(second, second + 1));
          peer.flush();
        }
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      return slow.map((peer) => peer.closeCode);
    });
    expect(new Set(codes)).toEqual(new Set([CloseCode.handshakeTimeout]));
  });

  test.each([
    ['control', StreamKind.control, FrameType.ping],
    ['index', StreamKind.hotFolder, FrameType.indexEntries],
    ['receipts', StreamKind.receipts, FrameType.durable],
  ])('that announces a frame of 4 GiB on a stream of kind %s', async (_name, kind, type) => {
    const peer = ended(await openRawSession(stage(), [wireFolder('f', 1)]));
    const stream = kind === StreamKind.control ? CONTROL_STREAM : uniStream(0);
    if (kind !== StreamKind.control) peer.send(stream, Uint8Array.of(kind));
    peer.send(stream, headOf(type, 0xffff_ffff));
    peer.flush();
    expect(await untilClosed(peer, 3_000)).toBe(CloseCode.limitExceeded);
  });

  test('that announces the longest frames there are on all its streams, and sends all but their last bytes', async () => {
    await expectWithstands(stage(), 'longest frames unfinished', async () => {
      const peer = ended(await openRawSession(stage(), [wireFolder('f', 1)], { isLarge: true }));
      const streams: { readonly id: number; left: number }[] = [];
      const begin = (id: number, kind: number, type: number, length: number): void => {
        peer.send(id, Buffer.concat([Uint8Array.of(kind), headOf(type, length)]));
        streams.push({ id, left: length - 1 });
      };
      for (let n = 0; n < 500; n++)
        begin(bidiStream(n), StreamKind.chunks, n % 2 === 0 ? FrameType.chunk : 0xe5, Limits.chunkBytes);
      const bytes = Buffer.alloc(65_536, 7);
      await attackFor(2 * ATTACK_MS, async () => {
        if (peer.isClosed) return await new Promise((resolve) => setTimeout(resolve, 50));
        for (const stream of streams) {
          if (stream.left < bytes.length) continue;
          if (peer.send(stream.id, bytes)) stream.left -= bytes.length;
        }
        peer.flush();
        await peer.nextPacket();
      });
    });
  });

  test('that floods pings', async () => {
    await expectWithstands(stage(), 'ping flood', async () => {
      let peer = ended(await openRawSession(stage(), [], { isLarge: true }));
      const pings = Buffer.concat(
        Array.from({ length: 4_000 }, () => frameBytes({ type: 'ping', nonce: 1 })),
      );
      await attackFor(ATTACK_MS, async () => {
        if (peer.isClosed) peer = ended(await openRawSession(stage(), [], { isLarge: true }));
        peer.send(CONTROL_STREAM, pings);
        peer.drain(3);
        peer.flush();
        await peer.nextPacket();
      });
    });
  });

  test('that floods datagrams', async () => {
    await expectWithstands(stage(), 'datagram flood', async () => {
      let peer = ended(await openRawSession(stage()));
      const datagram = Buffer.alloc(1_000, 0x80);
      await attackFor(ATTACK_MS, async () => {
        if (peer.isClosed) peer = ended(await openRawSession(stage()));
        for (let i = 0; i < 60; i++) {
          try {
            peer.quiche.dgramSend(
              i % 2 === 0 ? datagram : frameBytes({ type: 'presenceOnline', counter: i }),
            );
          } catch {
            break;
          }
        }
        peer.flush();
        await new Promise((resolve) => setImmediate(resolve));
      });
    });
  });

  test('that connects again and again', async () => {
    const count = await expectWithstands(stage(), 'reconnecting', async () => {
      let connections = 0;
      await attackFor(ATTACK_MS, async () => {
        const peers = await Promise.allSettled(Array.from({ length: 4 }, () => openRawSession(stage())));
        for (const peer of peers) {
          if (peer.status === 'rejected') continue;
          connections++;
          peer.value.end();
        }
      });
      return connections;
    });
    expect(count).toBeGreaterThan(0);
  });

  test('that renegotiates its shards for ever', async () => {
    await expectWithstands(stage(), 'shards', async () => {
      const state = wireFolder('f', 1);
      let peer = ended(await openRawSession(stage(), [state], { isLarge: true }));
      const { folder } = state;
      const shards = Array.from({ length: 1_000 }, (_, n) => ({
        folder: `${folder}${n}` as typeof folder,
        shard: n % 8,
      }));
      const advice = Buffer.concat([
        frameBytes({ type: 'shardAssignment', shards }),
        frameBytes({ type: 'folderPromoted', folder }),
        frameBytes({ type: 'folderDemoted', folder, shard: 1 }),
      ]);
      const start = frameBytes({ type: 'indexStart', folder, indexId: state.indexId, afterSequence: 0 });
      const end = frameBytes({ type: 'indexEnd', folder, upToSequence: 0 });
      let moves = 0;
      await attackFor(ATTACK_MS, async () => {
        if (peer.isClosed) {
          moves = 0;
          peer = ended(await openRawSession(stage(), [state], { isLarge: true }));
        }
        peer.send(CONTROL_STREAM, advice);
        const stream = uniStream(moves % 8);
        if (moves < 8) peer.send(stream, Uint8Array.of(StreamKind.indexShard, moves));
        peer.send(stream, Buffer.concat([start, end]));
        moves++;
        peer.flush();
        peer.drain(3);
        await peer.nextPacket();
      });
    });
  });

  test('that takes a folder and gives it up for ever', async () => {
    await expectWithstands(stage(), 'offers withdrawn', async () => {
      const state = wireFolder('f', 1);
      let peer = ended(await openRawSession(stage(), [state], { isLarge: true }));
      const flip = Buffer.concat([
        frameBytes({ type: 'folderRemove', folder: state.folder }),
        frameBytes({ type: 'folderOffer', state }),
      ]);
      const flips = Buffer.concat(Array.from({ length: 100 }, () => flip));
      await attackFor(ATTACK_MS, async () => {
        if (peer.isClosed) peer = ended(await openRawSession(stage(), [state], { isLarge: true }));
        peer.send(CONTROL_STREAM, flips);
        peer.flush();
        peer.drain(3);
        await peer.nextPacket();
      });
    });
  });
});
