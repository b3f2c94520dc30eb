import { encodeFrame, encodeFrameHead } from '@landropic/quic';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FolderId } from '../core/model/identifiers.js';
import { encodePayload } from '../core/wire/codec.js';
import { FrameType, StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import {
  ChunkExchange,
  FakeSource,
  folder,
  hashAt,
  inWords,
  KeptReply,
  type StoredChunk,
} from './chunk-exchange.fixture.js';

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

function sourceOf(...chunks: (StoredChunk | undefined)[]): FakeSource {
  return new FakeSource(
    new Map(chunks.flatMap((chunk, n) => (chunk === undefined ? [] : [[hashAt(n), chunk]]))),
  );
}

const stored = (text: string, ...readable: boolean[]): StoredChunk => ({
  bytes: bytesOf(text),
  readable: readable.length === 0 ? [true] : readable,
});

async function exchangeOf(source: FakeSource): Promise<ChunkExchange> {
  return new ChunkExchange((id) => (id === folder ? source : undefined)).ready();
}

describe('a request', () => {
  test('is answered chunk by chunk; what is not there, cannot be read or is not shared is missing', async () => {
    const exchange = await exchangeOf(
      sourceOf(stored('zero'), undefined, stored('two', false), stored('three')),
    );
    const [own, foreign] = [new KeptReply(), new KeptReply()];
    exchange.client.request(folder, [0, 1, 2, 3, 0].map(hashAt), own);
    exchange.client.request('other' as FolderId, [hashAt(0)], foreign);
    exchange.client.request(folder, [], own);
    await exchange.pass(50);
    expect(own.answers).toEqual(['0 zero', '1 missing', '2 missing', '3 three', '4 zero']);
    expect(foreign.answers).toEqual(['0 missing']);
  });

  test('finds a chunk in another file when the first has changed', async () => {
    const exchange = await exchangeOf(sourceOf(stored('moved', false, false, true)));
    const reply = new KeptReply();
    exchange.client.request(folder, [hashAt(0)], reply);
    await exchange.pass(50);
    expect(reply.answers).toEqual(['0 moved']);
  });

  test('is answered by missing when the disk fails, and the connection goes on', async () => {
    const source = sourceOf(stored('zero'));
    const exchange = await exchangeOf(source);
    const reply = new KeptReply();
    source.pause = () => Promise.reject(new Error('closed'));
    exchange.client.request(folder, [hashAt(0)], reply);
    await exchange.pass(50);
    source.pause = async () => {};
    exchange.client.request(folder, [hashAt(0)], reply);
    await exchange.pass(50);
    expect(reply.answers).toEqual(['0 missing', '0 zero']);
    expect([exchange.failures, exchange.serverFailures]).toEqual([[], []]);
  });

  test('for more bytes than may be asked for is a violation', async () => {
    const bytes = new Uint8Array(4 * 1024 * 1024);
    const exchange = await exchangeOf(sourceOf({ bytes, readable: [true] }));
    exchange.client.request(folder, Array(17).fill(hashAt(0)), new KeptReply());
    await exchange.pass(50);
    expect(exchange.serverFailures).toMatchObject([{ code: 'limit-exceeded' }]);
  });

  test('is read ahead a little, and no further', async () => {
    const source = sourceOf(stored('x'));
    const gates: (() => void)[] = [];
    source.pause = () => new Promise((resolve) => gates.push(resolve));
    const exchange = await exchangeOf(source);
    const stream = await exchange.ours.openBidi();
    await stream.write(Uint8Array.of(StreamKind.chunks));
    for (let requestId = 1; requestId <= 1_000; requestId++)
      await stream.write(framed({ type: 'chunkRequest', requestId, folder, chunks: [hashAt(0)] }));
    await exchange.pass(50);
    expect(source.reads).toBe(1);
    // A server that lets others have their turn may need more than one of ours for an answer.
    for (let passes = 0; passes < 5_000 && source.reads < 1_000; passes++) {
      gates.shift()?.();
      await exchange.pass(1);
    }
    expect(source.reads).toBe(1_000);
    expect(exchange.serverFailures).toEqual([]);
  });

  test('is not answered once it was cancelled', async () => {
    const source = sourceOf(stored('x'));
    const gates: (() => void)[] = [];
    source.pause = () => new Promise((resolve) => gates.push(resolve));
    const exchange = await exchangeOf(source);
    const stream = await exchange.ours.openBidi();
    await stream.write(Uint8Array.of(StreamKind.chunks));
    for (const requestId of [1, 2])
      await stream.write(framed({ type: 'chunkRequest', requestId, folder, chunks: [hashAt(0)] }));
    await stream.write(framed({ type: 'chunkCancel', requestId: 2 }));
    await exchange.pass(50);
    for (let i = 0; i < 3; i++) {
      for (const open of gates.splice(0)) open();
      await exchange.pass(10);
    }
    expect(source.reads).toBe(1);
  });

  test.each([
    ['a chunk', FrameType.chunk, 1, 'unexpected-type'],
    ['a long frame of an unknown type', 0xe3, 2_000, 'too-long'],
  ])(
    'is all that a stream of requests may carry: not %s, of which a thousand streams could have one each',
    async (_what, type, length, code) => {
      const exchange = await exchangeOf(sourceOf(stored('x')));
      const stream = await exchange.ours.openBidi();
      await stream.write(Uint8Array.of(StreamKind.chunks));
      await stream.write(encodeFrameHead(type, length));
      await exchange.pass(50);
      expect(exchange.serverFailures).toMatchObject([{ name: 'FrameError', code }]);
    },
  );
});

describe('a client', () => {
  const silent = () => new ChunkExchange(() => undefined, { serves: false }).ready();

  test('gives up a peer that sends nothing for a minute while answers are awaited', async () => {
    const exchange = await silent();
    exchange.client.request(folder, [hashAt(0)], new KeptReply());
    await exchange.pass(59_000);
    expect(exchange.failures).toEqual([]);
    await exchange.pass(2_000);
    expect(exchange.failures).toMatchObject([{ code: 'stalled' }]);
  });

  test('does not count the time in which nothing was asked', async () => {
    const source = sourceOf(stored('x'));
    const exchange = await exchangeOf(source);
    exchange.client.request(folder, [hashAt(0)], new KeptReply());
    await exchange.pass(59_000);
    source.pause = () => new Promise(() => {});
    exchange.client.request(folder, [hashAt(0)], new KeptReply());
    await exchange.pass(50_000);
    expect(exchange.failures).toEqual([]);
    await exchange.pass(20_000);
    expect(exchange.failures).toHaveLength(1);
  });

  test.each<[string, readonly Frame[], boolean]>([
    ['an answer to no request', [{ type: 'chunkMissing', requestId: 99, index: 0 }], false],
    ['an answer beyond the request', [{ type: 'chunkMissing', requestId: 1, index: 1 }], false],
    ['the same answer twice', [0, 0].map((index) => ({ type: 'chunkMissing', requestId: 1, index })), false],
    ['the end of the stream before the answer', [], true],
  ])('takes %s for a violation', async (_what, answers, ends) => {
    const exchange = await silent();
    exchange.theirs.onStream((stream) => {
      if (stream.kind !== 'bidi') return;
      for (const frame of answers) void stream.write(framed(frame));
      if (ends) void stream.finish();
    });
    exchange.client.request(folder, [hashAt(0)], new KeptReply());
    if (answers.length === 2) exchange.client.request(folder, [hashAt(0), hashAt(0)], new KeptReply());
    await exchange.pass(100);
    expect(exchange.failures).toMatchObject([{ name: 'WireError' }]);
  });

  test('tells the peer of a request that it does not want any more, and takes what still comes of it', async () => {
    const source = sourceOf(stored('x'), stored('y'));
    const gates: (() => void)[] = [];
    source.pause = () => new Promise((resolve) => gates.push(resolve));
    const exchange = await exchangeOf(source);
    const [first, second, third] = [new KeptReply(), new KeptReply(), new KeptReply()];
    const [cancelFirst, cancelSecond] = [new AbortController(), new AbortController()];
    const { client } = exchange;
    // All on the first stream's lane or beside it: what was read from the disk already goes out, the rest does not.
    client.request(folder, [hashAt(0)], first, cancelFirst.signal);
    await exchange.pass(50);
    for (let i = 0; i < 8; i++) client.request(folder, [hashAt(1)], second, cancelSecond.signal);
    cancelFirst.abort();
    cancelSecond.abort();
    await exchange.pass(50);
    source.pause = async () => {};
    for (const open of gates.splice(0)) open();
    await exchange.pass(50);
    for (let i = 0; i < 8; i++) client.request(folder, [hashAt(0), hashAt(1)], third);
    await exchange.pass(50);
    expect(first.answers).toEqual([]);
    expect(second.answers).toEqual([]);
    expect(third.answers).toHaveLength(16);
    expect(source.reads).toBeLessThan(1 + 8 + 16);
    expect(exchange.failures).toEqual([]);
    // And nothing is waited for.
    await exchange.pass(100_000);
    expect(exchange.failures).toEqual([]);
  });

  test('does not ask for what is not wanted any more before it is asked', async () => {
    const source = sourceOf(stored('x'));
    const exchange = await exchangeOf(source);
    exchange.client.request(folder, [hashAt(0)], new KeptReply(), AbortSignal.abort());
    await exchange.pass(50);
    expect(source.reads).toBe(0);
  });

  test('hands on nothing once it is closed', async () => {
    const exchange = await exchangeOf(sourceOf(stored('x')));
    const reply = new KeptReply();
    exchange.client.request(folder, [hashAt(0)], reply);
    exchange.client.close();
    exchange.client.request(folder, [hashAt(0)], reply);
    await exchange.pass(100_000);
    expect(reply.answers).toEqual([]);
    expect(exchange.failures).toEqual([]);
  });
});

test('whatever is asked is answered once and rightly, or not at all when the connection ends', async () => {
  const chunkArbitrary = fc.option(
    fc.record({
      bytes: fc
        .oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 90_000, max: 400_000 }))
        .map((size) => Buffer.alloc(size, size % 251)),
      readable: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
    }),
    { nil: undefined },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(chunkArbitrary, { minLength: 1, maxLength: 8 }),
      fc.array(fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 80 }), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.option(fc.nat({ max: 8 }), { nil: undefined }),
      async (chunks, requests, endsAfterMs) => {
        const exchange = await exchangeOf(sourceOf(...chunks));
        const asked = requests.map((numbers) => {
          const reply = new KeptReply();
          exchange.client.request(folder, numbers.map(hashAt), reply);
          return { numbers, reply };
        });
        await exchange.pass(endsAfterMs ?? 1_000);
        if (endsAfterMs !== undefined) {
          void exchange.theirs.close(0, 'ends early');
          await exchange.pass(1_000);
        }
        for (const { numbers, reply } of asked) {
          const expected = numbers.map((n, i) => {
            const chunk = chunks[n];
            return chunk?.readable.includes(true) ? `${i} ${inWords(chunk.bytes)}` : `${i} missing`;
          });
          if (endsAfterMs === undefined) expect(reply.answers).toEqual(expected);
          else expect(expected.slice(0, reply.answers.length)).toEqual(reply.answers);
        }
        const isWhole = asked.every(({ numbers, reply }) => reply.answers.length === numbers.length);
        if (endsAfterMs === undefined) expect(exchange.failures).toEqual([]);
        else if (!isWhole) expect(exchange.failures).toHaveLength(1);
        expect(exchange.serverFailures.filter((error) => (error as Error).name === 'WireError')).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
});

function framed(frame: Frame): Uint8Array {
  const { frameType, payload } = encodePayload(frame);
  return encodeFrame(frameType, payload);
}
