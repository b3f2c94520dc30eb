import { randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ContentHash } from '../../packages/daemon/src/core/model/identifiers.js';
import { CloseCode, FrameType, StreamKind } from '../../packages/daemon/src/core/wire/frame-types.js';
import type { Frame } from '../../packages/daemon/src/core/wire/frames.js';
import { Limits } from '../../packages/daemon/src/core/wire/limits.js';
import { until } from '../support/until.js';
import { wireFolder } from '../support/wire-entry.js';
import { expectWithstands, useAttackStage } from './attack-stage.js';
import { DatagramSockets } from './datagram-sockets.js';
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
const ATTACK_MS = 1_500;
/** Until all of them were opened; on a busy machine that takes longer. */
const STREAMS_MS = 30_000;

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

/** The chunks of the largest file that an index told of; undefined while it told of none. */
function chunksOf(frames: readonly Frame[]): readonly ContentHash[] | undefined {
  const entries = frames.flatMap((frame) => (frame.type === 'indexEntries' ? frame.entries : []));
  const contents = entries.map(({ entry }) => entry.version.content);
  const lists = contents.flatMap((content) => (content.type === 'file' ? [content.chunks] : []));
  const longest = lists.sort((a, b) => b.length - a.length)[0];
  return longest === undefined || longest.length < 2 ? undefined : longest.map(({ hash }) => hash);
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
          for (let n = 0; n < 500; n++) peer.openSilently(bidiStream(n));
        },
      ]) {
        const peer = ended(await openRawSession(stage()));
        begin(peer);
        peer.flush();
        seen.push(await untilClosed(peer, 4_000));
      }
      return seen;
    });
    expect(codes).toEqual([CloseCode.protocolError, CloseCode.protocolError]);
  });

  test('that opens 10,000 streams', async () => {
    const opened = await expectWithstands(stage(), '10,000 streams', async () => {
      const peer = ended(await openRawSession(stage()));
      let count = 0;
      // The first ones stay open; the others come and go for as long as there is credit for them.
      const kept = 900;
      await attackFor(STREAMS_MS, async () => {
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
    const { indexFrameBytes } = Limits;
    const state = wireFolder('f', 1);
    // An index frame on each of 64 streams, and what any attack may cost.
    const memoryLimitBytes = 64 * indexFrameBytes + 160 * 1024 * 1024;
    const attack = async (): Promise<number> => {
      const peer = ended(await openRawSession(stage(), [state], { isLarge: true }));
      const streams = Array.from({ length: 60 }, (_, n) => ({ id: uniStream(n), left: indexFrameBytes - 1 }));
      const head = Buffer.concat([
        Uint8Array.of(StreamKind.hotFolder),
        headOf(FrameType.indexEntries, indexFrameBytes),
      ]);
      for (const { id } of streams) peer.send(id, head);
      const bytes = Buffer.alloc(65_536, 7);
      await attackFor(4 * ATTACK_MS, async () => {
        const unfinished = streams.filter(({ left }) => left >= bytes.length);
        if (peer.isClosed || unfinished.length === 0) return true;
        for (const stream of unfinished) stream.left -= peer.sendSome(stream.id, bytes);
        peer.flush();
        return await peer.nextPacket();
      });
      return streams.reduce((sum, { left }) => sum + indexFrameBytes - left, 0);
    };
    const name = 'longest frames unfinished';
    const sent = await expectWithstands(stage(), name, attack, { memoryLimitBytes });
    expect(sent, 'bytes of frames that never end').toBeGreaterThan(16 * 1024 * 1024);
  });

  test('that sends chunks where it should ask for them', async () => {
    const peer = ended(await openRawSession(stage()));
    peer.send(
      bidiStream(0),
      Buffer.concat([Uint8Array.of(StreamKind.chunks), headOf(FrameType.chunk, 1_000)]),
    );
    peer.flush();
    expect(await untilClosed(peer, 3_000)).toBe(CloseCode.protocolError);
  });

  test('that asks without end for chunks that nobody has', async () => {
    const state = wireFolder('f', 1);
    await expectWithstands(stage(), 'missing chunks', async () => {
      const peer = ended(await openRawSession(stage(), [state], { isLarge: true }));
      const requests = Array.from({ length: 40 }, (_, requestId) => {
        const chunks = Array.from({ length: 1_024 }, () => randomBytes(32).toString('hex') as ContentHash);
        return frameBytes({ type: 'chunkRequest', requestId, folder: state.folder, chunks });
      });
      const streams = Array.from({ length: 40 }, (_, n) => bidiStream(n));
      for (const stream of streams) peer.send(stream, Uint8Array.of(StreamKind.chunks));
      const next = new Map(streams.map((stream) => [stream, { at: stream % 40, offset: 0 }]));
      await attackFor(ATTACK_MS, async () => {
        for (const [stream, place] of next) {
          const request = requests[place.at % requests.length] ?? new Uint8Array();
          const taken = peer.sendSome(stream, request.subarray(place.offset));
          place.offset += taken;
          if (place.offset === request.length) Object.assign(place, { at: place.at + 1, offset: 0 });
          peer.drain(stream);
        }
        peer.flush();
        await peer.nextPacket();
      });
    });
  });

  test('that asks for everything and reads nothing', async () => {
    const { victimFolder, friendFolder, victim, enemy } = stage();
    writeFileSync(join(victimFolder, 'big'), randomBytes(32 * 1024 * 1024));
    await until(() => statSync(join(friendFolder, 'big'), { throwIfNoEntry: false }) !== undefined, {
      what: 'it is synced',
    });
    const state = wireFolder('f', 0);
    const session = await enemy.open(victim, [state]);
    const chunks = await until(() => chunksOf(session.received), { what: 'the big file is told of' });
    await session.connection.close(CloseCode.goodbye, 'done');
    await expectWithstands(stage(), 'reading nothing', async () => {
      const peer = ended(await openRawSession(stage(), [state], { isLarge: true }));
      const requests = [1, 2, 3, 4].map((requestId) =>
        frameBytes({ type: 'chunkRequest', requestId, folder: state.folder, chunks }),
      );
      for (let n = 0; n < 200; n++) {
        peer.send(bidiStream(n), Buffer.concat([Uint8Array.of(StreamKind.chunks), ...requests]));
      }
      const pings = Buffer.concat(Array.from({ length: 500 }, () => frameBytes({ type: 'ping', nonce: 1 })));
      await attackFor(2 * ATTACK_MS, async () => {
        peer.send(CONTROL_STREAM, pings);
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

  test('whose packets somebody has captured and sends again, early data and a stolen session with them', async () => {
    const { victim, enemy } = stage();
    const isConnected = async () =>
      (await victim.status()).devices.some(({ id, connected }) => id === enemy.id && connected);
    const captured: Buffer[] = [];
    await expectWithstands(stage(), 'replays', async () => {
      const first = await openRawSession(stage());
      const session = first.quiche.session() ?? undefined;
      first.quiche.close(true, CloseCode.goodbye, Buffer.from('done'));
      first.flush();
      first.end();
      const hello = frameBytes({
        type: 'hello',
        versions: [1],
        bootId: 'replayed',
        role: 'primary',
        name: 'replayed',
        software: 'test',
        features: [],
      });
      const earlyData = Buffer.concat([Uint8Array.of(StreamKind.control), hello]);
      const back = session === undefined ? {} : { session, earlyData };
      const second = await connectRaw(stage(), { captured, ...back });
      second.quiche.close(true, CloseCode.goodbye, Buffer.from('done'));
      second.flush();
      second.end();
      await until(async () => !(await isConnected()), { what: 'the enemy is gone' });
      const sockets = await DatagramSockets.open(20, victim.port);
      onTestFinished(() => sockets.close());
      await sockets.flood(ATTACK_MS, (n) => captured[n % captured.length] ?? Buffer.alloc(1));
      expect(await isConnected(), 'connected by packets of the past').toBe(false);
    });
    expect(captured.length).toBeGreaterThan(1);
  });
});
