import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameDecoder, FrameError, type FrameLimit } from './frame-codec.js';
import { readFrames } from './frame-stream.js';

const anything: FrameLimit = () => 100_000;

const frames = fc.array(fc.record({ type: fc.nat(255), payload: fc.uint8Array({ maxLength: 300 }) }), {
  maxLength: 12,
});

function join(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks));
}

/** Cuts bytes at arbitrary places, empty pieces included. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.slice(at[i], end));
}

function streamOf(pieces: readonly Uint8Array[]) {
  const left = [...pieces];
  return { read: async () => left.shift() ?? null };
}

function errorOf(run: () => unknown): FrameError {
  try {
    run();
  } catch (error) {
    if (error instanceof FrameError) return error;
    throw error;
  }
  throw new Error('expected a FrameError');
}

describe('frame codec', () => {
  it('lays a frame out as type, length big-endian, payload', () => {
    expect([...encodeFrame(0x71, Uint8Array.of(9, 8))]).toEqual([0x71, 0, 0, 0, 2, 9, 8]);
    expect([...encodeFrame(0xff, new Uint8Array(0x0102)).subarray(0, 5)]).toEqual([0xff, 0, 0, 1, 2]);
  });

  it('gives back the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(4_000), { maxLength: 40 }), (sent, cuts) => {
        const bytes = join(sent.map(({ type, payload }) => encodeFrame(type, payload)));
        const decoder = new FrameDecoder(anything);
        const received = split(bytes, cuts).flatMap((piece) => decoder.push(piece));
        decoder.end();
        expect(received.map(({ type }) => type)).toEqual(sent.map(({ type }) => type));
        expect(received.map(({ payload }) => [...payload])).toEqual(sent.map(({ payload }) => [...payload]));
      }),
    );
  });

  it('gives back the same frames byte by byte', () => {
    const bytes = join([encodeFrame(1, Uint8Array.of(1, 2, 3)), encodeFrame(2, Uint8Array.of(4))]);
    const decoder = new FrameDecoder(anything);
    const received = [...bytes].flatMap((byte) => decoder.push(Uint8Array.of(byte)));
    expect(received.map(({ type, payload }) => [type, ...payload])).toEqual([
      [1, 1, 2, 3],
      [2, 4],
    ]);
  });

  it('gives a frame without payload when its last byte is here, not with the next frame', () => {
    for (const piece of [1, 2, 5]) {
      const bytes = encodeFrame(7, new Uint8Array(0));
      const decoder = new FrameDecoder(anything);
      const received = [];
      for (let at = 0; at < bytes.length; at += piece)
        received.push(...decoder.push(bytes.subarray(at, at + piece)));
      expect(received).toEqual([{ type: 7, payload: new Uint8Array(0) }]);
      expect(() => decoder.end()).not.toThrow();
    }
  });

  it('does not copy a payload that came in one piece', () => {
    const bytes = encodeFrame(5, new Uint8Array(1_000));
    const [frame] = new FrameDecoder(anything).push(bytes);
    expect(frame?.payload.buffer).toBe(bytes.buffer);
  });

  it('is not quadratic in the number of pieces', () => {
    const size = 4 * 1024 * 1024;
    const bytes = encodeFrame(1, new Uint8Array(size));
    const decoder = new FrameDecoder(() => size);
    const startedAt = performance.now();
    let count = 0;
    for (let at = 0; at < bytes.length; at += 64) count += decoder.push(bytes.subarray(at, at + 64)).length;
    expect(count).toBe(1);
    // Copying all that was kept with each of 65,536 pieces would be 137 GB.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('refuses a length beyond the limit of its type by the header alone', () => {
    const limit: FrameLimit = (type) => (type === 0x71 ? 10 : 5);
    const header = encodeFrame(0x71, new Uint8Array(11)).subarray(0, 5);
    expect(errorOf(() => new FrameDecoder(limit).push(header)).code).toBe('too-long');
    expect(new FrameDecoder(limit).push(encodeFrame(0x71, new Uint8Array(10)))).toHaveLength(1);
    expect(errorOf(() => new FrameDecoder(limit).push(encodeFrame(1, new Uint8Array(6)))).code).toBe(
      'too-long',
    );
    const largest = Uint8Array.of(0x71, 0xff, 0xff, 0xff, 0xff);
    expect(errorOf(() => new FrameDecoder(limit).push(largest)).code).toBe('too-long');
  });

  it('refuses a type that does not belong on the stream by the header alone', () => {
    const decoder = new FrameDecoder((type) => (type < 0x10 ? 10 : undefined));
    const header = encodeFrame(0x10, new Uint8Array(1)).subarray(0, 5);
    expect(errorOf(() => decoder.push(header)).code).toBe('unexpected-type');
  });

  it('notices a stream that ends within a frame, wherever it does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 50 }), fc.nat(60), async (payload, cut) => {
        const bytes = encodeFrame(3, payload);
        const end = cut % bytes.length;
        const received: unknown[] = [];
        const reading = (async () => {
          for await (const frame of readFrames(streamOf([bytes.slice(0, end)]), anything))
            received.push(frame);
        })();
        if (end === 0) await reading;
        else await expect(reading).rejects.toMatchObject({ name: 'FrameError', code: 'truncated' });
        expect(received).toEqual([]);
      }),
    );
  });

  it('reads frames off a stream, beginning with bytes read before', async () => {
    const bytes = join([encodeFrame(1, Uint8Array.of(1, 2)), encodeFrame(2, Uint8Array.of(3))]);
    for (let at = 0; at <= bytes.length; at++) {
      const received = [];
      const rest = streamOf([bytes.slice(at)]);
      for await (const frame of readFrames(rest, anything, bytes.slice(0, at))) received.push(frame.type);
      expect(received).toEqual([1, 2]);
    }
  });

  it('never throws anything but a FrameError, whatever arrives', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 20 }), (pieces) => {
        const decoder = new FrameDecoder((type) => (type < 0x80 ? 20 : undefined));
        try {
          for (const piece of pieces) {
            for (const frame of decoder.push(piece)) expect(frame.payload.length).toBeLessThanOrEqual(20);
          }
          decoder.end();
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
    );
  });

  it('lets a long payload be read where it belongs, in pieces of any size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 40_000, max: 90_000 }),
        fc.integer({ min: 1, max: 30_000 }),
        (length, piece) => {
          const payload = Uint8Array.from({ length }, (_, i) => i % 251);
          const bytes = encodeFrame(7, payload);
          const decoder = new FrameDecoder(anything);
          let at = 10;
          let frame = decoder.push(bytes.subarray(0, at))[0];
          while (frame === undefined) {
            const room = decoder.wanted;
            const part = bytes.subarray(at, at + Math.min(piece, room?.length ?? piece));
            at += part.length;
            room?.set(part);
            frame = room === undefined ? decoder.push(part)[0] : decoder.filled(part.length);
          }
          expect(Buffer.compare(frame.payload, payload)).toBe(0);
          expect(at).toBe(bytes.length);
          expect(decoder.wanted).toBeUndefined();
        },
      ),
      { numRuns: 50 },
    );
  });
});
