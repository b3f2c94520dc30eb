import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
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
