import { type Connection, fileSync } from '@landropic/quic';
import { expect, test } from 'vitest';
import type { FolderId } from './core/model/identifiers.js';
import { CloseCode } from './core/wire/frame-types.js';
import { LinkSide } from './sync/link.fixture.js';
import { type MemoryDevice, MemoryDevices } from './sync/memory-devices.fixture.js';
import { indexIdOf } from './sync/session.fixture.js';
import { FakeFolder } from './sync/shared-folder.fixture.js';
import { ChunkClient } from './transfer/chunk-client.js';
import { FakeSource, folder, hashAt } from './transfer/chunk-exchange.fixture.js';
import { ChunkServer } from './transfer/chunk-server.js';

const KIB = 1024;
const CHUNK_BYTES = 8 * KIB;
/** Far apart, and little may be under way: one connection fills no link. */
const NARROW = {
  ...fileSync,
  initialConnectionWindowBytes: 32 * KIB,
  initialStreamWindowBytes: 32 * KIB,
};

/** One side of a link on which chunks go over real clients and servers. */
function createSide(
  devices: MemoryDevices,
  own: MemoryDevice,
  peer: MemoryDevice,
  source: FakeSource,
): LinkSide {
  const side = new LinkSide(devices, own, peer);
  side.folders.set(folder, new FakeFolder(folder, indexIdOf(own.id)));
  side.exchange = (connection, onFailure) => {
    const server = new ChunkServer({ clock: devices.clock, sourceFor: () => source });
    return {
      client: new ChunkClient({ connection, clock: devices.clock, onFailure }),
      serve: (stream, first) => server.serve(stream, first),
      serving: () => server.serving,
    };
  };
  return side;
}

/** Asks for one chunk after the other, so many at a time, and counts how often each came. */
class Download {
  readonly came = new Map<number, number>();
  private next = 0;
  private isOver = false;

  constructor(private readonly asking: FakeFolder) {}

  start(requests: number, chunksEach: number): void {
    for (let i = 0; i < requests; i++) this.ask(chunksEach);
  }

  stop(): void {
    this.isOver = true;
  }

  get asked(): number {
    return this.next;
  }

  private ask(count: number): void {
    const [link] = this.asking.links.values();
    if (this.isOver || link === undefined) return;
    const numbers = Array.from({ length: count }, () => this.next++);
    let left = count;
    const done = (index: number): void => {
      const n = numbers[index] ?? -1;
      this.came.set(n, (this.came.get(n) ?? 0) + 1);
      if (--left === 0) this.ask(count);
    };
    link.request(this.asking.id as FolderId, numbers.map(hashAt), {
      chunk: (index, _, release) => {
        release();
        done(index);
      },
      missing: () => {
        throw new Error('every chunk is there');
      },
    });
  }
}

async function downloading() {
  const devices = new MemoryDevices();
  const [a, b] = [devices.add('a', { profile: NARROW }), devices.add('b', { profile: NARROW })];
  devices.network.setConditions(a.address.host, b.address.host, { latencyMs: 20 });
  const bytes = new Uint8Array(CHUNK_BYTES);
  const chunks = { get: () => ({ bytes, readable: [true] }) } as unknown as ConstructorParameters<
    typeof FakeSource
  >[0];
  const source = new FakeSource(chunks);
  const [asking, serving] = [createSide(devices, a, b, source), createSide(devices, b, a, source)];
  serving.start();
  await devices.advance(1_000);
  const asked = asking.folders.get(folder);
  if (asked === undefined) throw new Error('no folder');
  const download = new Download(asked);
  return { devices, asking, serving, download };
}

const usedBy = (side: LinkSide): readonly Connection[] =>
  side.opened.filter((connection) => side.isOpen(connection));

test('chunks come over four connections where the window of one is the limit, and each comes once though two are lost', async () => {
  const { devices, asking, serving, download } = await downloading();
  download.start(32, 8);
  await devices.advance(3_000);
  const early = download.came.size;
  await devices.advance(2_000);
  const oneRate = download.came.size - early;
  await devices.advance(45_000);
  // The side that sends has opened them, the side that asks makes use of them.
  expect(serving.link.pool()?.connections.map(({ role, dialledHere }) => [role, dialledHere])).toEqual([
    ['primary', true],
    ['data', true],
    ['data', true],
    ['data', true],
  ]);
  expect(asking.link.pool()?.connections.every(({ requests }) => requests >= 4)).toBe(true);
  const before = download.came.size;
  await devices.advance(2_000);
  expect(download.came.size - before).toBeGreaterThan(3 * oneRate);

  const [, one, two] = usedBy(serving);
  void one?.close(CloseCode.internalError, 'broken');
  void usedBy(asking)
    .find(({ id }) => id === two?.id)
    ?.close(CloseCode.internalError, 'broken');
  await devices.advance(1_000);
  expect(asking.link.pool()?.counts.handedBack).toBeGreaterThan(3);
  download.stop();
  await devices.advance(5_000);
  expect(download.came.size).toBe(download.asked);
  expect(new Set(download.came.values())).toEqual(new Set([1]));
  for (const side of [asking, serving]) expect(side.events).toEqual(['up']);
});
