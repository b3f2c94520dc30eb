import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RpcWorld, watch } from './rpc-world.fixture.js';

const plan = fc.record({
  startsAfterMs: fc.nat(40),
  sizeBytes: fc.oneof(fc.nat(50), fc.nat(60_000)),
  answersAfterMs: fc.nat(60),
  heedsSignal: fc.boolean(),
  deadlineMs: fc.oneof(fc.nat(60), fc.constant(5_000)),
  cancelsAfterMs: fc.option(fc.nat(80), { nil: undefined }),
});

const limits = fc.record({
  maxStreams: fc.integer({ min: 1, max: 4 }),
  maxRunning: fc.integer({ min: 1, max: 3 }),
  maxQueued: fc.nat(2),
  maxHeldBytes: fc.integer({ min: 60_100, max: 200_000 }),
});

/** What a request may come to under these plans. */
const OUTCOMES = ['cancelled', 'deadline-exceeded', 'overloaded'];

describe('requests in any order', () => {
  it('all come to an end, with their own answer or a reason, and leave nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(plan, { maxLength: 12 }), limits, async (plans, bounds) => {
        const world = new RpcWorld(
          {
            work: ({ payload }, { signal }) =>
              new Promise((resolve, reject) => {
                const answersAfterMs = payload[0] ?? 0;
                world.clock.after(answersAfterMs, () => resolve(payload));
                if (payload[1] === 1) signal.addEventListener('abort', () => reject(signal.reason));
              }),
          },
          bounds,
        );
        const { dialled, accepted } = await world.connect();
        const client = world.client(dialled, { streams: { maxStreams: bounds.maxStreams } });
        const requests = plans.map((each, i) => {
          const payload = new Uint8Array(3 + each.sizeBytes).fill(i);
          payload.set([each.answersAfterMs, each.heedsSignal ? 1 : 0]);
          const abort = new AbortController();
          const { cancelsAfterMs } = each;
          if (cancelsAfterMs !== undefined) world.clock.after(cancelsAfterMs, () => abort.abort());
          const answer = new Promise<Uint8Array>((resolve, reject) => {
            world.clock.after(each.startsAfterMs, () => {
              client
                .request('work', payload, { deadlineMs: each.deadlineMs, signal: abort.signal })
                .then(resolve, reject);
            });
          });
          return { payload, watched: watch(answer) };
        });
        await world.pass(6_000);
        for (const { payload, watched } of requests) {
          const outcome = watched.outcome as { value?: Uint8Array; error?: { code: string } };
          if (outcome.error !== undefined) expect(OUTCOMES).toContain(outcome.error.code);
          else expect(Buffer.compare(outcome.value ?? Buffer.of(), payload)).toBe(0);
        }
        expect(world.violations).toEqual([]);
        expect(world.server.stats()).toMatchObject({ running: 0, queued: 0, heldBytes: 0 });
        const closing = client.close();
        await world.pass(100);
        await closing;
        expect([dialled.stats().streamsOpen, accepted.stats().streamsOpen]).toEqual([0, 0]);
        expect([dialled.stats().streamsAborted, accepted.stats().streamsAborted]).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
