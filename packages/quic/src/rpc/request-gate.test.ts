import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestGate } from './request-gate.js';

const NEVER = new AbortController().signal;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('RequestGate', () => {
  it('lets so many in, queues some, refuses the rest', async () => {
    const gate = new RequestGate({ maxRunning: 1, maxQueued: 1 });
    const leave = await gate.enter(NEVER);
    const second = gate.enter(NEVER);
    await expect(gate.enter(NEVER)).rejects.toMatchObject({ code: 'overloaded', mayHaveBegun: false });
    expect([gate.running, gate.queued]).toEqual([1, 1]);
    leave();
    leave();
    (await second)();
    expect([gate.running, gate.queued]).toEqual([0, 0]);
  });

  it('hands a turn on that comes too late', async () => {
    const gate = new RequestGate({ maxRunning: 1, maxQueued: 9 });
    const leave = await gate.enter(NEVER);
    const abort = new AbortController();
    const given = expect(gate.enter(abort.signal)).rejects.toMatchObject({ code: 'aborted' });
    const last = gate.enter(NEVER);
    leave();
    abort.abort();
    await given;
    (await last)();
    expect(gate.running).toBe(0);
  });

  it('closes: refuses those who come and those who wait, and waits for those who run', async () => {
    const gate = new RequestGate({ maxRunning: 1, maxQueued: 9 });
    const leave = await gate.enter(NEVER);
    const waiting = expect(gate.enter(NEVER)).rejects.toMatchObject({ code: 'shutting-down' });
    let isIdle = false;
    const closing = gate.close().then(() => {
      isIdle = true;
    });
    await waiting;
    await expect(gate.enter(NEVER)).rejects.toMatchObject({ code: 'shutting-down', mayHaveBegun: false });
    await turn();
    expect(isIdle).toBe(false);
    leave();
    await closing;
    await gate.close();
  });

  it('never runs more than it may, and forgets nobody', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('enter', 'leave', 'abort'), fc.nat(5))),
        async (script) => {
          const gate = new RequestGate({ maxRunning: 2, maxQueued: 3 });
          const inside: (() => void)[] = [];
          const aborts: AbortController[] = [];
          let running = 0;
          for (const [what, n] of script) {
            if (what === 'enter') {
              const abort = new AbortController();
              aborts.push(abort);
              gate.enter(abort.signal).then(
                (leave) => {
                  running += 1;
                  inside.push(() => {
                    running -= 1;
                    leave();
                  });
                },
                () => {},
              );
            } else if (what === 'leave') inside.splice(n % (inside.length || 1), 1)[0]?.();
            else aborts.splice(n % (aborts.length || 1), 1)[0]?.abort();
            if (n % 2 === 0) await turn();
            expect(running).toBeLessThanOrEqual(2);
            expect(gate.queued).toBeLessThanOrEqual(3);
          }
          do {
            for (const leave of inside.splice(0)) leave();
            await turn();
          } while (inside.length > 0);
          expect([gate.running, gate.queued]).toEqual([0, 0]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
