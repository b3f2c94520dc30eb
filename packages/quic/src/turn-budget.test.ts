import { describe, expect, it } from 'vitest';
import { encodeFrame } from './frame-codec.js';
import { readFrames } from './frame-stream.js';
import { turnBudget } from './turn-budget.js';

describe('reading frames', () => {
  it('lets others have their turn, however much has come', async () => {
    const pieces = 400;
    const piece = Buffer.concat(Array.from({ length: 50 }, () => encodeFrame(1, new Uint8Array(3))));
    let left = pieces;
    const stream = { read: async () => (left-- > 0 ? piece : null) };
    let turns = 0;
    let isReading = true;
    const count = (): void => {
      turns++;
      if (isReading) setImmediate(count);
    };
    setImmediate(count);
    let frames = 0;
    for await (const frame of readFrames(stream, () => 10)) {
      frames += 1;
      // What handling it takes.
      const until = performance.now() + 0.005;
      while (performance.now() < until) expect(frame.type).toBe(1);
    }
    isReading = false;
    expect(frames).toBe(pieces * 50);
    // 100 ms of work at the least, 4 of them in a turn; a busy machine only makes it more turns.
    expect(turns).toBeGreaterThan(12);
  });
});

describe('those who wait for a turn', () => {
  it('go on in order, what is urgent first', async () => {
    turnBudget.spend();
    const until = performance.now() + 6;
    while (performance.now() < until);
    const order: string[] = [];
    await Promise.all(
      ['usual 1', 'usual 2', 'urgent'].map((name) =>
        turnBudget.spend(name === 'urgent')?.then(() => order.push(name)),
      ),
    );
    expect(order).toEqual(['urgent', 'usual 1', 'usual 2']);
  });
});

describe('work in pieces', () => {
  it('goes on in turns of its own, however many have some', async () => {
    let pieces = 0;
    const worker = async (): Promise<void> => {
      for (let piece = 0; piece < 4; piece++) {
        const until = performance.now() + 2;
        while (performance.now() < until);
        pieces += 1;
        await turnBudget.spend();
      }
    };
    // All of them begin at once, in one turn; what counts is how they go on.
    const workers = Array.from({ length: 50 }, worker);
    await new Promise((resolve) => setImmediate(resolve));
    let mostInATurn = 0;
    let isWorking = true;
    let before = pieces;
    const look = (): void => {
      mostInATurn = Math.max(mostInATurn, pieces - before);
      before = pieces;
      if (isWorking) setImmediate(look);
    };
    look();
    await Promise.all(workers);
    isWorking = false;
    expect(pieces).toBe(200);
    expect(mostInATurn).toBeGreaterThan(0);
    // Two of 2 ms are a turn.
    expect(mostInATurn).toBeLessThanOrEqual(4);
  });
});
