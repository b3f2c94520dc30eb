import { describe, expect, it } from 'vitest';
import { type PoolRequestOptions, requestOverPool } from '../pool/pool-request.js';
import { untilAborted } from '../streams/until-aborted.js';
import type { Connection } from '../transport.js';
import { Waiter } from '../waiter.js';
import type { RunOnConnection } from './rpc-client.js';
import { HeldCalls, RpcWorld, watch } from './rpc-world.fixture.js';

const EMPTY = new Uint8Array(0);

/** As a pool of connections does it: one after another, each taken away when it ends. */
class FakePool {
  private readonly connections: Connection[] = [];
  private added = new Waiter<void>();
  readonly run: RunOnConnection = (operation, options: PoolRequestOptions) =>
    requestOverPool(
      {
        whenReady: async (signal) => {
          while (this.connections.length === 0) await untilAborted(this.added.promise, signal, 'waiting');
        },
        lease: ({ onLost }) => {
          const [connection] = this.connections;
          if (connection === undefined) return undefined;
          void connection.closed.then(onLost);
          return { connection, release: () => {} };
        },
      },
      operation,
      options,
    );

  add(connection: Connection): void {
    this.connections.push(connection);
    void connection.closed.then(() => this.connections.splice(this.connections.indexOf(connection), 1));
    this.added.resolve();
    this.added = new Waiter();
  }
}

async function start() {
  const held = new HeldCalls();
  const world = new RpcWorld({ held: held.handler });
  const pool = new FakePool();
  const { dialled, accepted } = await world.connect();
  pool.add(dialled);
  return { held, world, pool, dialled, accepted, client: world.client(pool.run) };
}

describe('requests over a pool of connections', () => {
  it('are sent again when their connection is lost, if that does no harm', async () => {
    const { held, world, pool, accepted, client } = await start();
    const outcome = watch(client.request('held', EMPTY, { isIdempotent: true }));
    await world.pass(20);
    await accepted.close(6, 'restarting');
    await world.pass(50);
    expect([held.calls.length, outcome.outcome]).toEqual([1, 'pending']);
    pool.add((await world.connect()).dialled);
    await world.pass(50);
    held.calls[1]?.done.resolve(Uint8Array.of(1));
    await world.pass(50);
    expect(outcome.outcome).toMatchObject({ value: Buffer.of(1) });
  });

  it.each(['by the peer', 'here'])('fail at once otherwise, when it is closed %s', async (by) => {
    const { held, world, dialled, accepted, client } = await start();
    const outcome = watch(client.request('held', EMPTY));
    await world.pass(20);
    await (by === 'here' ? dialled : accepted).close(6, 'restarting');
    await world.pass(50);
    expect(outcome.outcome).toMatchObject({ error: { code: 'unavailable', mayHaveBegun: true } });
    expect(held.calls).toHaveLength(1);
  });

  it('wait for a first connection as long as their deadline allows', async () => {
    const held = new HeldCalls();
    const world = new RpcWorld({ held: held.handler });
    const pool = new FakePool();
    const client = world.client(pool.run);
    const late = watch(client.request('held', EMPTY, { deadlineMs: 100 }));
    const patient = watch(client.request('held', EMPTY, { deadlineMs: 10_000 }));
    await world.pass(101);
    expect(late.outcome).toMatchObject({ error: { code: 'deadline-exceeded' } });
    pool.add((await world.connect()).dialled);
    await world.pass(50);
    held.calls[0]?.done.resolve(Uint8Array.of(2));
    await world.pass(50);
    expect(patient.outcome).toMatchObject({ value: Buffer.of(2) });
  });
});
