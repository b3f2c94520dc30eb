import { describe, expect, it } from 'vitest';
import { encodeFrame } from './frame-codec.js';
import { readFrames } from './frame-stream.js';

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
