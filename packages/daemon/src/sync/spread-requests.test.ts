import type { Connection, LeaseOptions } from '@landropic/quic';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContentHash, FolderId } from '../core/model/identifiers.js';
import type { ChunkSupplier } from './content-fetch.js';
import { SpreadRequests } from './spread-requests.js';

type Reply = Parameters<ChunkSupplier['request']>[2];

const folder = 'f' as FolderId;
const hashes = (count: number) => Array.from({ length: count }, (_, i) => `hash-${i}` as ContentHash);

/** What was asked on one connection, to be answered by the test. */
class FakeConnection {
  readonly asked: { readonly chunks: readonly ContentHash[]; readonly reply: Reply }[] = [];
  readonly leases = new Set<LeaseOptions>();
  readonly client: ChunkSupplier = {
    request: (_, chunks, reply) => this.asked.push({ chunks, reply }),
  };

  constructor(readonly id: string) {}

  answer(request: number, place: number, release = () => {}): void {
    this.asked[request]?.reply.chunk(place, Buffer.from(this.asked[request]?.chunks[place] ?? ''), release);
  }
}

/** Connections of which the one with the fewest requests is picked. */
class World {
  readonly connections: FakeConnection[] = [];
  readonly own = new FakeConnection('own');
  readonly answers: string[] = [];
  readonly spread = new SpreadRequests({
    pool: { lease: (options) => this.lease(options) },
    exchangeOf: (id) => {
      const found = this.connections.find((each) => each.id === id);
      return found && { client: { ...found.client, close: () => {} }, serve: async () => {} };
    },
    own: this.own.client,
    serving: () => 0,
  });

  constructor(count: number) {
    for (let i = 0; i < count; i++) this.connections.push(new FakeConnection(`c${i}`));
  }

  request(count: number): void {
    this.spread.request(folder, hashes(count), {
      chunk: (index, bytes, release) => {
        this.answers.push(`${index} ${Buffer.from(bytes)}`);
        release();
      },
      missing: (index) => this.answers.push(`${index} missing`),
    });
  }

  lose(connection: FakeConnection): void {
    this.connections.splice(this.connections.indexOf(connection), 1);
    const lost = [...connection.leases];
    connection.leases.clear();
    for (const { onLost } of lost) onLost();
  }

  private lease(options: LeaseOptions) {
    const [least] = [...this.connections].sort((a, b) => a.leases.size - b.leases.size);
    if (least === undefined) return undefined;
    least.leases.add(options);
    return { connection: least as unknown as Connection, release: () => void least.leases.delete(options) };
  }
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error('nothing there');
  return found;
}

describe('requests for chunks', () => {
  test('go to the connection with the least in flight, which is given back with the last answer', () => {
    const world = new World(3);
    for (let i = 0; i < 6; i++) world.request(2);
    expect(world.connections.map(({ asked }) => asked.length)).toEqual([2, 2, 2]);
    const [first] = [at(world.connections, 0)];
    first.answer(0, 1);
    expect(first.leases.size).toBe(2);
    first.answer(0, 0);
    expect(first.leases.size).toBe(1);
    expect(world.answers).toEqual(['1 hash-1', '0 hash-0']);
  });

  test('are asked again where their connection is lost, for what is not there yet, under their own numbers', () => {
    const world = new World(2);
    world.request(4);
    const [first, second] = [at(world.connections, 0), at(world.connections, 1)];
    first.answer(0, 1);
    world.lose(first);
    expect(second.asked.map(({ chunks }) => chunks)).toEqual([['hash-0', 'hash-2', 'hash-3']]);
    second.answer(0, 2);
    second.answer(0, 0);
    at(second.asked, 0).reply.missing(1);
    expect(world.answers).toEqual(['1 hash-1', '3 hash-3', '0 hash-0', '2 missing']);
  });

  test('take no answer from a connection that was given up, and release its memory', () => {
    const world = new World(2);
    world.request(2);
    const first = at(world.connections, 0);
    world.lose(first);
    let released = 0;
    first.answer(0, 0, () => released++);
    expect(world.answers).toEqual([]);
    expect(released).toBe(1);
  });

  test('fall back to the own connection of the session', () => {
    const world = new World(1);
    world.request(1);
    world.lose(at(world.connections, 0));
    world.own.answer(0, 0);
    expect(world.answers).toEqual(['0 hash-0']);
  });

  test('are not answered after the end, and hold no connection', () => {
    const world = new World(1);
    world.request(2);
    const only = at(world.connections, 0);
    world.spread.close();
    expect(only.leases.size).toBe(0);
    let released = 0;
    only.answer(0, 0, () => released++);
    world.request(1);
    expect([world.answers, released, only.asked.length]).toEqual([[], 1, 1]);
  });

  test('are each answered exactly once, whatever is lost when', () => {
    const step = fc.record({
      what: fc.constantFrom('ask', 'answer', 'answer', 'answer', 'missing', 'lose', 'open'),
      which: fc.nat(30),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = new World(3);
        const expected: string[] = [];
        const answerOne = (which: number, isMissing: boolean) => {
          const all = [...world.connections, world.own].flatMap((connection) =>
            connection.asked.flatMap(({ chunks, reply }) =>
              chunks.map((hash, place) => ({ hash, place, reply })),
            ),
          );
          const one = all[which % Math.max(1, all.length)];
          if (one === undefined) return;
          if (isMissing) one.reply.missing(one.place);
          else one.reply.chunk(one.place, Buffer.from(one.hash), () => {});
        };
        let requests = 0;
        for (const { what, which } of steps) {
          if (what === 'ask') {
            const count = (which % 4) + 1;
            const id = requests++;
            for (let i = 0; i < count; i++) expected.push(`${id}:${i}`);
            world.spread.request(folder, hashes(count), {
              chunk: (index) => world.answers.push(`${id}:${index}`),
              missing: (index) => world.answers.push(`${id}:${index}`),
            });
          } else if (what === 'open')
            world.connections.push(new FakeConnection(`n${world.connections.length}-${which}-${requests}`));
          else if (what === 'lose') {
            const connection = world.connections[which % Math.max(1, world.connections.length)];
            if (connection !== undefined) world.lose(connection);
          } else answerOne(which, what === 'missing');
        }
        for (let i = 0; i < 2_000 && world.answers.length < expected.length; i++) answerOne(i, false);
        expect([...world.answers].sort()).toEqual(expected.sort());
        for (const { leases } of world.connections) expect(leases.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
