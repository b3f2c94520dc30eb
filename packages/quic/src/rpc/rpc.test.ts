import { describe, expect, it } from 'vitest';
import type { BidiStream } from '../transport.js';
import { RpcFailure } from './rpc-error.js';
import { echo, HeldCalls, RpcWorld, watch } from './rpc-world.fixture.js';

const EMPTY = new Uint8Array(0);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('requests', () => {
  it('are answered, many at once, over few streams', async () => {
    const world = new RpcWorld({ echo });
    const { dialled } = await world.connect();
    const client = world.client(dialled, { streams: { maxStreams: 3 } });
    const answers = Promise.all(
      Array.from({ length: 20 }, (_, i) => client.request('echo', Buffer.from(`request ${i}`))),
    );
    await world.pass(500);
    expect((await answers).map(text)).toEqual(Array.from({ length: 20 }, (_, i) => `request ${i}`));
    expect(world.server.stats()).toMatchObject({ answered: 20, streams: 3, running: 0, heldBytes: 0 });
  });

  it('use one warm stream when they come one after another', async () => {
    const world = new RpcWorld({ echo });
    const { dialled, accepted } = await world.connect();
    const client = world.client(dialled);
    for (let i = 0; i < 5; i++) {
      const answer = client.request('echo', Uint8Array.of(i));
      await world.pass(20);
      expect([...(await answer)]).toEqual([i]);
    }
    expect(accepted.stats().streamsOpen).toBe(1);
  });

  it('tell the handler who asks for what, and for how long', async () => {
    const seen: unknown[] = [];
    const world = new RpcWorld({
      look: ({ method, deadlineMs, payload }) => {
        seen.push([method, deadlineMs, text(payload)]);
        return EMPTY;
      },
    });
    const { dialled } = await world.connect();
    const answer = world.client(dialled).request('look', Buffer.from('?'), { deadlineMs: 700 });
    await world.pass(50);
    expect(await answer).toEqual(EMPTY);
    expect(seen).toEqual([['look', 700, '?']]);
  });

  it('fail with what the handler says, and with nothing of what it breaks at', async () => {
    const world = new RpcWorld({
      no: () => {
        throw new RpcFailure(404, 'no such thing');
      },
      broken: () => {
        throw new Error('a secret');
      },
      wrong: () => undefined as unknown as Uint8Array,
    });
    const { dialled } = await world.connect();
    const client = world.client(dialled);
    const outcomes = ['no', 'broken', 'wrong', 'toString'].map((method) =>
      watch(client.request(method, EMPTY)),
    );
    await world.pass(100);
    expect(outcomes.map(({ outcome }) => outcome)).toMatchObject([
      { error: { code: 'failed', failureCode: 404, message: 'no such thing' } },
      { error: { code: 'internal', message: 'internal' } },
      { error: { code: 'internal' } },
      { error: { code: 'unknown-method', mayHaveBegun: false } },
    ]);
    expect(world.handlerErrors).toHaveLength(2);
  });

  it('need the name of a method', async () => {
    const world = new RpcWorld({ echo });
    const { dialled } = await world.connect();
    const client = world.client(dialled, { streams: { maxStreams: 1 } });
    await expect(client.request('', EMPTY)).rejects.toThrow(RangeError);
    const answer = watch(client.request('echo', EMPTY));
    await world.pass(50);
    expect(answer.outcome).toEqual({ value: Buffer.alloc(0) });
  });

  it('of any size up to the limits, and none beyond', async () => {
    const world = new RpcWorld(
      { echo, large: () => new Uint8Array(3_001) },
      { maxRequestBytes: 200_000, maxResponseBytes: 200_000 },
    );
    const { dialled } = await world.connect();
    const client = world.client(dialled, { maxRequestBytes: 200_000, maxResponseBytes: 200_000 });
    const outcomes = [200_000, 100_001, 0].map((size) =>
      watch(client.request('echo', new Uint8Array(size).fill(9))),
    );
    const tooLarge = watch(client.request('echo', new Uint8Array(200_001)));
    await world.pass(1_000);
    expect(outcomes.map(({ outcome }) => (outcome as { value: Uint8Array }).value.length)).toEqual([
      200_000, 100_001, 0,
    ]);
    expect(tooLarge.outcome).toMatchObject({ error: { code: 'too-large', mayHaveBegun: false } });
    const small = new RpcWorld({ large: () => new Uint8Array(3_001) }, { maxResponseBytes: 3_000 });
    const answer = watch(small.client((await small.connect()).dialled).request('large', EMPTY));
    await small.pass(100);
    expect(answer.outcome).toMatchObject({ error: { code: 'too-large', mayHaveBegun: true } });
  });
});

describe('deadlines', () => {
  it('end the wait here and the work there, and leave the stream usable', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler, echo });
    const { dialled, accepted } = await world.connect();
    const client = world.client(dialled);
    const late = watch(client.request('held', EMPTY, { deadlineMs: 100 }));
    await world.pass(99);
    expect([late.outcome, held.calls[0]?.abortedAs]).toEqual(['pending', undefined]);
    await world.pass(20);
    expect(late.outcome).toMatchObject({ error: { code: 'deadline-exceeded' } });
    expect(held.calls[0]?.abortedAs).toMatch(/deadline-exceeded|cancelled/);
    held.calls[0]?.done.resolve(EMPTY);
    const next = watch(client.request('echo', Buffer.from('next')));
    await world.pass(50);
    expect(next.outcome).toMatchObject({ value: Buffer.from('next') });
    expect(accepted.stats()).toMatchObject({ streamsOpen: 1, streamsAborted: 0 });
  });

  it('reach the server, which stops by itself when nothing gets through any more', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled } = await world.connect();
    void world
      .client(dialled)
      .request('held', EMPTY, { deadlineMs: 200 })
      .catch(() => {});
    await world.pass(20);
    world.network.cut('10.0.0.1', '10.0.0.2');
    await world.pass(150);
    expect(held.calls[0]?.signal.aborted).toBe(false);
    await world.pass(50);
    expect(held.calls[0]?.abortedAs).toBe('deadline-exceeded');
  });

  it('are cut to what the server allows', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler }, { maxDeadlineMs: 50 });
    const { dialled } = await world.connect();
    const outcome = watch(world.client(dialled).request('held', EMPTY, { deadlineMs: 10_000 }));
    await world.pass(100);
    expect(outcome.outcome).toMatchObject({ error: { code: 'deadline-exceeded' } });
  });

  it('count the wait for a stream', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled } = await world.connect();
    const client = world.client(dialled, { streams: { maxStreams: 1 } });
    void client.request('held', EMPTY, { deadlineMs: 1_000 }).catch(() => {});
    const waiting = watch(client.request('held', EMPTY, { deadlineMs: 100 }));
    await world.pass(101);
    expect(waiting.outcome).toMatchObject({ error: { code: 'deadline-exceeded' } });
    expect(held.calls).toHaveLength(1);
  });

  it('give up a stream whose server never answers, and count it until then', async () => {
    const world = new RpcWorld({});
    const { dialled, accepted } = await world.connect();
    const silent: BidiStream[] = [];
    accepted.onStream((stream) => {
      if (stream.kind === 'bidi') silent.push(stream);
    });
    const client = world.client(dialled, { stallMs: 300, streams: { maxStreams: 1 } });
    const first = watch(client.request('any', EMPTY, { deadlineMs: 100 }));
    await world.pass(150);
    expect(first.outcome).toMatchObject({ error: { code: 'deadline-exceeded' } });
    const second = watch(client.request('any', EMPTY, { deadlineMs: 10_000 }));
    await world.pass(200);
    expect(silent).toHaveLength(1);
    await world.pass(100);
    expect(silent).toHaveLength(2);
    expect(second.outcome).toBe('pending');
    expect(dialled.stats().streamsAborted).toBeGreaterThan(0);
  });
});

describe('cancelling', () => {
  it('is a frame: the handler hears of it, and no stream is reset', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled, accepted } = await world.connect();
    const abort = new AbortController();
    const outcome = watch(world.client(dialled).request('held', EMPTY, { signal: abort.signal }));
    await world.pass(20);
    abort.abort('changed my mind');
    await world.pass(20);
    expect(outcome.outcome).toMatchObject({ error: { code: 'cancelled', cause: 'changed my mind' } });
    expect(held.calls[0]?.abortedAs).toBe('cancelled');
    expect([dialled.stats().streamsAborted, accepted.stats().streamsAborted]).toEqual([0, 0]);
  });

  it('that crosses the answer disturbs nobody', async () => {
    const world = new RpcWorld({ echo });
    const { dialled } = await world.connect();
    const client = world.client(dialled, { streams: { maxStreams: 1 } });
    const abort = new AbortController();
    const given = watch(client.request('echo', Buffer.from('first'), { signal: abort.signal }));
    // The answer is on its way back.
    await world.pass(7);
    abort.abort();
    const next = watch(client.request('echo', Buffer.from('second')));
    await world.pass(50);
    expect(given.outcome).toMatchObject({ error: { code: 'cancelled' } });
    expect(next.outcome).toMatchObject({ value: Buffer.from('second') });
    expect(world.violations).toEqual([]);
  });

  it('reads a long answer that is on its way to its end, and throws it away', async () => {
    const world = new RpcWorld({ long: () => new Uint8Array(1024 * 1024), echo });
    world.network.setConditions('10.0.0.1', '10.0.0.2', { bytesPerSecond: 10_000_000 });
    const { dialled } = await world.connect();
    const client = world.client(dialled, { stallMs: 50, streams: { maxStreams: 1 } });
    const abort = new AbortController();
    const given = watch(client.request('long', EMPTY, { signal: abort.signal }));
    await world.pass(40);
    abort.abort();
    const next = watch(client.request('echo', Uint8Array.of(1)));
    await world.pass(40);
    expect(next.outcome).toBe('pending');
    await world.pass(200);
    expect(given.outcome).toMatchObject({ error: { code: 'cancelled' } });
    expect(next.outcome).toMatchObject({ value: Buffer.of(1) });
    expect(dialled.stats().streamsAborted).toBe(0);
  });

  it('before it was sent sends nothing', async () => {
    const world = new RpcWorld({ echo });
    const { dialled } = await world.connect();
    const outcome = watch(world.client(dialled).request('echo', EMPTY, { signal: AbortSignal.abort('no') }));
    await world.pass(50);
    expect(outcome.outcome).toMatchObject({ error: { code: 'cancelled', cause: 'no' } });
    expect(world.server.stats().answered).toBe(0);
  });

  it('happens to requests whose caller has gone', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled } = await world.connect();
    const outcome = watch(world.client(dialled).request('held', EMPTY));
    await world.pass(20);
    await dialled.close(0, 'gone');
    await world.pass(20);
    expect(outcome.outcome).toMatchObject({ error: { code: 'unavailable', mayHaveBegun: true } });
    expect(held.calls[0]?.abortedAs).toBe('cancelled');
    held.calls[0]?.done.resolve(EMPTY);
    await world.pass(1);
    expect(world.server.stats()).toMatchObject({ running: 0, streams: 0, heldBytes: 0 });
    expect(world.violations).toEqual([]);
  });
});
