import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../frame-codec.js';
import { StreamReader } from '../streams/stream-reader.js';
import type { Connection } from '../transport.js';
import type { RpcError } from './rpc-error.js';
import { encodeRequest, RpcFrame } from './rpc-frames.js';
import { echo, HeldCalls, RpcWorld, watch } from './rpc-world.fixture.js';

const EMPTY = new Uint8Array(0);

describe('too many requests', () => {
  it('wait for their turn at the server, then are refused', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler }, { maxRunning: 2, maxQueued: 1 });
    const { dialled } = await world.connect();
    const client = world.client(dialled);
    const outcomes = Array.from({ length: 4 }, () => watch(client.request('held', EMPTY)));
    await world.pass(50);
    expect(world.server.stats()).toMatchObject({ running: 2, queued: 1 });
    expect(outcomes[3]?.outcome).toMatchObject({ error: { code: 'overloaded', mayHaveBegun: false } });
    held.calls[0]?.done.resolve(Uint8Array.of(1));
    await world.pass(50);
    expect(held.calls).toHaveLength(3);
    expect(outcomes[0]?.outcome).toMatchObject({ value: Buffer.of(1) });
  });

  it('keep their place until the handler returns, deadline or not', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler }, { maxRunning: 1 });
    const { dialled } = await world.connect();
    const client = world.client(dialled);
    const late = watch(client.request('held', EMPTY, { deadlineMs: 50 }));
    void client.request('held', EMPTY).catch(() => {});
    await world.pass(100);
    expect(late.outcome).toMatchObject({ error: { code: 'deadline-exceeded' } });
    expect([held.calls.length, world.server.stats().queued]).toEqual([1, 1]);
    held.calls[0]?.done.resolve(EMPTY);
    await world.pass(1);
    expect([held.calls.length, world.server.stats().queued]).toEqual([2, 0]);
  });

  it('are refused by the memory they take, which comes back', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler }, { maxHeldBytes: 250_000 });
    const { dialled } = await world.connect();
    const client = world.client(dialled);
    const outcomes = Array.from({ length: 3 }, () => watch(client.request('held', new Uint8Array(100_000))));
    await world.pass(100);
    expect(world.server.stats()).toMatchObject({ running: 2 });
    expect(world.server.stats().heldBytes).toBeLessThanOrEqual(250_000);
    expect(outcomes.map(({ outcome }) => outcome)).toMatchObject([
      'pending',
      'pending',
      { error: { code: 'overloaded', mayHaveBegun: false } },
    ]);
    for (const call of held.calls) call.done.resolve(EMPTY);
    await world.pass(50);
    expect(world.server.stats().heldBytes).toBe(0);
    const next = watch(client.request('held', new Uint8Array(100_000)));
    await world.pass(50);
    held.calls[2]?.done.resolve(EMPTY);
    await world.pass(50);
    expect(next.outcome).toMatchObject({ value: Buffer.alloc(0) });
  });

  it('are not taken in from a caller that does not read its answers', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler }, { maxResponseBytes: 4_000_000 });
    const { dialled } = await world.connect();
    const opening = dialled.openBidi();
    await world.pass(1);
    const stream = await opening;
    const request = encodeRequest({ method: 'held', deadlineMs: 60_000, payload: EMPTY });
    void stream.write(request);
    await world.pass(50);
    held.calls[0]?.done.resolve(new Uint8Array(4_000_000));
    await world.pass(50);
    void stream.write(request);
    await world.pass(1_000);
    expect(held.calls).toHaveLength(1);
    const reader = new StreamReader(stream);
    const reading = reader.readExactly(5 + 4_000_000);
    await world.pass(1_000);
    await reading;
    expect(held.calls).toHaveLength(2);
    await dialled.close(0, 'the test is over');
  });

  it('are answered when their caller has ended its side already', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled } = await world.connect();
    const opening = dialled.openBidi();
    await world.pass(1);
    const stream = await opening;
    void stream.write(encodeRequest({ method: 'held', deadlineMs: 60_000, payload: EMPTY }));
    void stream.finish();
    await world.pass(50);
    expect(held.calls[0]?.signal.aborted).toBe(false);
    held.calls[0]?.done.resolve(Uint8Array.of(7));
    const reading = new StreamReader(stream).readToEnd(100);
    await world.pass(50);
    expect([...(await reading)]).toEqual([...encodeFrame(RpcFrame.response, Uint8Array.of(7))]);
    expect(dialled.stats()).toMatchObject({ streamsOpen: 0, streamsAborted: 0 });
  });

  it('are refused here when too many wait for a stream', async () => {
    const world = new RpcWorld({ held: new HeldCalls().handler });
    const { dialled } = await world.connect();
    const client = world.client(dialled, { streams: { maxStreams: 1, maxWaiting: 1 } });
    const outcomes = Array.from({ length: 3 }, () => watch(client.request('held', EMPTY)));
    await world.pass(50);
    expect(outcomes[2]?.outcome).toMatchObject({ error: { code: 'overloaded', mayHaveBegun: false } });
  });
});

describe('a lost connection', () => {
  async function failingOver(world: RpcWorld) {
    const connections = [(await world.connect()).dialled, (await world.connect()).dialled];
    let at = 0;
    const run = async <T>(
      operation: (of: Connection, signal: AbortSignal) => Promise<T>,
      { signal }: { signal: AbortSignal },
    ) => {
      for (;;) {
        const connection = connections[at];
        if (connection === undefined) throw new Error('no connection left');
        try {
          return await operation(connection, signal);
        } catch (error) {
          if ((error as RpcError).code !== 'unavailable') throw error;
          at += 1;
        }
      }
    };
    return { connections, run };
  }

  it('hands requests that may be repeated to another one', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { connections, run } = await failingOver(world);
    const outcome = watch(world.client(run).request('held', EMPTY, { isIdempotent: true }));
    await world.pass(20);
    await connections[0]?.close(0, 'gone');
    await world.pass(50);
    expect(held.calls).toHaveLength(2);
    held.calls[1]?.done.resolve(Uint8Array.of(2));
    await world.pass(50);
    expect(outcome.outcome).toMatchObject({ value: Buffer.of(2) });
  });

  it('never repeats the others, unless they were not sent', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { connections, run } = await failingOver(world);
    const outcome = watch(world.client(run).request('held', EMPTY));
    await world.pass(20);
    await connections[0]?.close(0, 'gone');
    await world.pass(50);
    expect(held.calls).toHaveLength(1);
    expect(outcome.outcome).toMatchObject({ error: { code: 'unavailable', mayHaveBegun: true } });

    const second = await failingOver(world);
    await second.connections[0]?.close(0, 'gone before');
    const unsent = watch(world.client(second.run).request('held', EMPTY));
    await world.pass(50);
    held.calls[1]?.done.resolve(Uint8Array.of(3));
    await world.pass(50);
    expect(unsent.outcome).toMatchObject({ value: Buffer.of(3) });
  });
});

describe('shutting down', () => {
  it('lets running requests finish, refuses waiting and new ones, and ends the streams', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler }, { maxRunning: 1 });
    const { dialled, accepted } = await world.connect();
    const client = world.client(dialled);
    const running = watch(client.request('held', EMPTY));
    await world.pass(20);
    const queued = watch(client.request('held', EMPTY));
    await world.pass(20);
    const stopping = watch(world.server.stop({ withinMs: 1_000 }));
    const late = watch(client.request('held', EMPTY));
    await world.pass(100);
    expect(stopping.outcome).toBe('pending');
    const refused = { error: { code: 'shutting-down', mayHaveBegun: false } };
    expect([queued.outcome, late.outcome]).toMatchObject([refused, refused]);
    held.calls[0]?.done.resolve(Uint8Array.of(5));
    await world.pass(50);
    expect(running.outcome).toMatchObject({ value: Buffer.of(5) });
    expect(stopping.outcome).toEqual({ value: { interrupted: 0 } });
    expect(accepted.stats()).toMatchObject({ streamsOpen: 0, streamsAborted: 0 });
  });

  it('interrupts what is not done in time', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled } = await world.connect();
    const running = watch(world.client(dialled).request('held', EMPTY));
    await world.pass(20);
    const stopping = watch(world.server.stop({ withinMs: 200 }));
    await world.pass(199);
    expect([stopping.outcome, running.outcome]).toEqual(['pending', 'pending']);
    await world.pass(20);
    expect(stopping.outcome).toEqual({ value: { interrupted: 1 } });
    expect(running.outcome).toMatchObject({ error: { code: 'interrupted', mayHaveBegun: true } });
    expect(held.calls[0]?.abortedAs).toBe('interrupted');
  });

  it('of a client waits for its answers, then ends its streams in order', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled, accepted } = await world.connect();
    const client = world.client(dialled);
    const running = watch(client.request('held', EMPTY));
    await world.pass(20);
    const closing = watch(client.close({ withinMs: 1_000 }));
    await expect(client.request('held', EMPTY)).rejects.toMatchObject({
      code: 'closed',
      mayHaveBegun: false,
    });
    await world.pass(100);
    expect(closing.outcome).toBe('pending');
    held.calls[0]?.done.resolve(Uint8Array.of(6));
    await world.pass(50);
    expect(running.outcome).toMatchObject({ value: Buffer.of(6) });
    expect(closing.outcome).toEqual({ value: undefined });
    expect(accepted.stats()).toMatchObject({ streamsOpen: 0, streamsAborted: 0 });
  });

  it('of a client cancels what is not answered in time', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled } = await world.connect();
    const client = world.client(dialled);
    const running = watch(client.request('held', EMPTY));
    await world.pass(20);
    const closing = watch(client.close({ withinMs: 100 }));
    await world.pass(120);
    expect(running.outcome).toMatchObject({ error: { code: 'closed', mayHaveBegun: true } });
    expect(closing.outcome).toEqual({ value: undefined });
    expect(held.calls[0]?.abortedAs).toBe('cancelled');
  });
});

describe('a peer that breaks the protocol', () => {
  const request = encodeRequest({ method: 'held', deadlineMs: 1_000, payload: EMPTY });

  it.each([
    ['asks again before the answer', Buffer.concat([request, request])],
    ['sends a frame that does not belong', encodeFrame(RpcFrame.response, EMPTY)],
    ['asks for nothing', encodeFrame(RpcFrame.request, EMPTY)],
    ['announces more than it may', Buffer.from('a0ffffffff', 'hex')],
  ])('is refused by the server: %s', async (_, bytes) => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const { dialled } = await world.connect();
    const opening = dialled.openBidi();
    await world.pass(1);
    const stream = await opening;
    void stream.write(bytes);
    const reading = watch(stream.read());
    await world.pass(50);
    expect(reading.outcome).toMatchObject({ error: { code: 'stream-reset', details: { streamCode: 3 } } });
    expect(world.violations).toMatchObject([{ code: 'protocol-error' }]);
    expect(held.calls.every(({ signal }) => signal.aborted)).toBe(true);
    expect(world.server.stats()).toMatchObject({ streams: 0, heldBytes: 0 });
  });

  it.each([
    [
      'answers twice',
      Buffer.concat([encodeFrame(RpcFrame.response, EMPTY), encodeFrame(RpcFrame.response, EMPTY)]),
    ],
    ['answers with a request', request],
    ['announces more than it may', Buffer.from('a1ffffffff', 'hex')],
    ['ends in the middle', Buffer.from('a100000009', 'hex')],
  ])('is dropped by the client: %s', async (what, bytes) => {
    const world = new RpcWorld({});
    const { dialled, accepted } = await world.connect();
    accepted.onStream((stream) => {
      if (stream.kind !== 'bidi') return;
      void stream.read().then(async () => {
        await stream.write(bytes);
        if (what === 'ends in the middle') await stream.finish();
      });
    });
    const client = world.client(dialled);
    const outcome = watch(client.request('any', EMPTY));
    await world.pass(50);
    if (what === 'answers twice') expect(outcome.outcome).toMatchObject({ value: Buffer.alloc(0) });
    else expect(outcome.outcome).toMatchObject({ error: { code: 'protocol-error' } });
    expect(dialled.stats().streamsAborted).toBeGreaterThan(0);
    expect(dialled.stats().streamsOpen).toBe(0);
  });

  it('or knows more than we do: what is kept for later is skipped', async () => {
    const world = new RpcWorld({ echo });
    const { dialled } = await world.connect();
    const opening = dialled.openBidi();
    await world.pass(1);
    const stream = await opening;
    const later = encodeFrame(0xe5, new Uint8Array(1_000));
    void stream.write(
      Buffer.concat([later, encodeRequest({ method: 'echo', deadlineMs: 9, payload: Uint8Array.of(4) })]),
    );
    await world.pass(50);
    const answer = await new StreamReader(stream).readExactly(6);
    expect([...answer]).toEqual([...encodeFrame(RpcFrame.response, Uint8Array.of(4))]);
  });
});
