import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Connection, Endpoint } from '../transport.js';
import { fileSync } from '../transport-profile.js';
import { dial, EndpointSet, serveEcho } from './endpoint.fixture.js';
import { TurnQueue } from './turn-queue.js';

describe('TurnQueue', () => {
  it('sends after all that was received in a turn, when nobody is expected to answer', async () => {
    const queue = new TurnQueue();
    const done: string[] = [];
    const taker = (name: string, isAnswering: boolean) => ({
      takeReceived: () => {
        done.push(`${name} takes`);
        Promise.resolve().then(() => done.push(`${name} answers`));
        return isAnswering;
      },
      send: () => done.push(`${name} sends`),
    });
    queue.schedule(taker('a', false));
    queue.schedule(taker('b', true));
    await nextTurn();
    expect(done).toEqual(['a takes', 'a sends', 'b takes', 'a answers', 'b answers', 'b sends']);
  });

  it('gives one turn for all that an answering application asks for, and another for what comes after', async () => {
    const queue = new TurnQueue();
    let turns = 0;
    let sent = 0;
    const taker = {
      takeReceived: () => {
        turns += 1;
        queue.schedule(taker);
        Promise.resolve()
          .then(() => {})
          .then(() => queue.schedule(taker));
        return turns === 1;
      },
      send: () => {
        sent += 1;
        if (sent === 1) queue.schedule(taker);
      },
    };
    queue.schedule(taker);
    await nextTurn();
    await nextTurn();
    expect([turns, sent]).toEqual([2, 2]);
  });

  it('sends for the others when one fails', async () => {
    const queue = new TurnQueue();
    const failures: unknown[] = [];
    const onFailure = (error: unknown): void => void failures.push(error);
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', onFailure);
    const sent: string[] = [];
    queue.schedule({ takeReceived: () => true, send: () => sent.push('before') });
    queue.schedule({
      takeReceived: () => {
        throw new Error('of an application');
      },
      send: () => sent.push('itself'),
    });
    queue.schedule({ takeReceived: () => false, send: () => sent.push('after') });
    await nextTurn();
    await nextTurn();
    process.removeListener('uncaughtException', onFailure);
    for (const other of others) process.on('uncaughtException', other);
    expect(failures).toHaveLength(1);
    expect(sent).toEqual(['before', 'itself', 'after']);
  });
});

describe('a turn of very many', () => {
  it('is cut, so that what arrives can be read, and goes on where it was cut', async () => {
    let now = 0;
    const queue = new TurnQueue(() => now);
    const done: number[] = [];
    const taker = (name: number) => ({
      takeReceived: () => {
        now += 3;
        return name % 2 === 0;
      },
      send: () => void done.push(name),
    });
    const takers = Array.from({ length: 8 }, (_, i) => taker(i));
    for (const each of takers) queue.schedule(each);
    await nextTurn();
    expect(done).toEqual([1, 0, 2]);
    // Those that wait for their turn do not get another for what they ask for meanwhile.
    for (const each of takers.slice(3)) queue.schedule(each);
    queue.schedule(taker(9));
    await nextTurn();
    expect(done.slice(3)).toEqual([3, 5, 4]);
    await nextTurn();
    await nextTurn();
    expect(done.slice(6)).toEqual([7, 6, 9]);
    await nextTurn();
    expect(done).toHaveLength(9);
  });
});

describe('a machine that was busy or asleep', () => {
  const endpoints = new EndpointSet();
  afterEach(() => endpoints.closeAll());

  it('reads what has come before it takes silence for an end', async () => {
    const options = {
      profile: { ...fileSync, idleTimeoutMs: 400, keepAliveMs: 10_000 },
      maxPacketBytes: 1_200,
    };
    const [dialler, acceptor] = [await endpoints.create(options), await endpoints.create(options)];
    const incoming = new Promise<Connection>((resolve) => acceptor.onConnection(resolve));
    const dialled = await dial(dialler, acceptor.localAddress);
    const accepted = await incoming;
    const streams = await Promise.all([dialled.openUni(), accepted.openUni()]);
    await quiet(dialler, acceptor);
    const read = [dialler.stats().datagramsIn, acceptor.stats().datagramsIn];
    for (const stream of streams) void stream.write(Uint8Array.of(1));
    await nextTurn();
    expect([dialler.stats().datagramsIn, acceptor.stats().datagramsIn]).toEqual(read);
    // Both packets lie in the sockets by now, and nobody reads them for longer than the silence that is allowed.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
    const isOver = await Promise.race([
      Promise.any([dialled.closed, accepted.closed]).then(() => true),
      nextTurn()
        .then(nextTurn)
        .then(() => false),
    ]);
    expect(isOver).toBe(false);
    await Promise.all(streams.map((stream) => stream.finish()));
  });
});

describe('an answer', () => {
  const endpoints = new EndpointSet();
  afterEach(() => endpoints.closeAll());

  it('goes out with the acknowledgement of the question', async () => {
    const acceptor = await endpoints.create();
    serveEcho(acceptor);
    const connection = await dial(await endpoints.create(), acceptor.localAddress);
    const stream = await connection.openBidi();
    const ask = async (): Promise<void> => {
      await stream.write(Uint8Array.of(1));
      await stream.read();
    };
    // The size of packets is found out meanwhile.
    for (let i = 0; i < 20; i++) await ask();
    const before = acceptor.stats().datagramsOut;
    for (let i = 0; i < 100; i++) await ask();
    expect(acceptor.stats().datagramsOut - before).toBeLessThan(130);
  });
});

/** All that was sent has been read, and nothing follows. */
async function quiet(one: Endpoint, other: Endpoint): Promise<void> {
  for (let turns = 0; turns < 10; turns++) {
    await nextTurn();
    const [a, b] = [one.stats(), other.stats()];
    if (a.datagramsIn !== b.datagramsOut || b.datagramsIn !== a.datagramsOut) turns = 0;
  }
}
