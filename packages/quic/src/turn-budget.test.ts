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
    const startedAt = performance.now();
    for await (const frame of readFrames(stream, () => 10)) {
      frames += 1;
      // What handling it takes.
      const until = performance.now() + 0.005;
      while (performance.now() < until) expect(frame.type).toBe(1);
    }
    isReading = false;
    expect(frames).toBe(pieces * 50);
    const tookMs = performance.now() - startedAt;
    expect(turns).toBeGreaterThan(tookMs / 40);
  });
});

describe('work in pieces', () => {
  it('goes on in turns of its own, however many have some', async () => {
    const worker = async (): Promise<void> => {
      for (let piece = 0; piece < 4; piece++) {
        const until = performance.now() + 2;
        while (performance.now() < until);
        await turnBudget.spend();
      }
    };
    let longestMs = 0;
    let isWorking = true;
    let lastAt = performance.now();
    const look = (): void => {
      const now = performance.now();
      longestMs = Math.max(longestMs, now - lastAt);
      lastAt = now;
      if (isWorking) setImmediate(look);
    };
    // All of them begin at once, in one turn; what counts is how they go on.
    const workers = Array.from({ length: 50 }, worker);
    await new Promise((resolve) => setImmediate(resolve));
    lastAt = performance.now();
    look();
    await Promise.all(workers);
    isWorking = false;
    // Two pieces a turn, and what others take of the processor; all fifty together would be 100 ms.
    expect(longestMs).toBeLessThan(60);
  });
});
