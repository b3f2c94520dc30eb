import { describe, expect, it } from 'vitest';
import type { FolderId } from '../model/identifiers.js';
import { asPath, hashOf } from '../testing/entries.js';
import { folder, frames, secret, state } from '../testing/frames.js';
import { goldenFrames } from '../testing/golden-frames.fixture.js';
import { decodeDatagram, decodePayload, encodeChunkHead, encodePayload, WireError } from './codec.js';
import { FrameType } from './frame-types.js';
import type { Frame, FrameOf } from './frames.js';
import { toHex } from './hex.js';
import { payloadLimit } from './limits.js';

function reject(frameType: number, payload: Uint8Array): WireError {
  try {
    decodePayload(frameType, payload);
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const hello = (change: Partial<FrameOf<'hello'>>): Frame => ({
  type: 'hello',
  versions: [1],
  bootId: 'b',
  role: 'primary',
  name: 'n',
  software: 's',
  features: [],
  ...change,
});

describe('encodePayload', () => {
  it.each(frames.map((frame, i) => [frame.type, frame, goldenFrames[i]] as const))(
    'writes %s as the protocol has it, and reads it from there: golden bytes',
    (type, frame, golden) => {
      const { frameType, payload } = encodePayload(frame);
      const head = Uint8Array.of(frameType, 0, 0, payload.length >> 8, payload.length & 0xff);
      expect([type, toHex(head) + toHex(payload)]).toEqual(golden);
      expect(decodePayload(frameType, bytesOf(golden?.[1].slice(10) ?? ''))).toEqual(frame);
    },
  );

  it('has golden bytes of every frame', () => {
    expect(goldenFrames).toHaveLength(frames.length);
  });

  it('has a frame of every type in these tests', () => {
    expect([...new Set(frames.map((frame) => frame.type))].sort()).toEqual(Object.keys(FrameType).sort());
  });

  it.each(frames.map((frame) => [frame.type, frame] as const))('%s comes back as it was', (_type, frame) => {
    const { frameType, payload } = encodePayload(frame);
    expect(decodePayload(frameType, payload)).toEqual(frame);
  });

  it('refuses what the peer would refuse for its length', () => {
    const folders = Array.from({ length: 20_000 }, () => state);
    expect(() => encodePayload({ type: 'auth', folders })).toThrow(WireError);
  });
});

describe('decodePayload', () => {
  it('skips types that a later version may define, and refuses all other unknown ones', () => {
    for (let type = 0xe0; type <= 0xef; type++)
      expect(decodePayload(type, Uint8Array.of(0xff))).toBeUndefined();
    const known = new Set<number>(Object.values(FrameType));
    for (let type = 0; type < 0xe0; type++) {
      if (!known.has(type))
        expect(reject(type, Uint8Array.of(0xa0))).toMatchObject({ code: 'unknown-frame', closeCode: 3 });
    }
  });

  it('passes over keys that it does not know', () => {
    // {0: 7, 1: [1, {9: "x"}]}
    expect(decodePayload(FrameType.ping, bytesOf('a20007018201a1096178'))).toEqual({
      type: 'ping',
      nonce: 7,
    });
  });

  it.each([
    ['nothing', ''],
    ['a list in place of a map', '8100'],
    ['a missing field', 'a0'],
    ['a negative number', 'a10020'],
    ['text in place of a number', 'a1006137'],
    ['a number longer than it needs to be', 'a1001807'],
    ['a number beyond what is exact', 'a1001bffffffffffffffff'],
    ['a float', 'a100fb401c000000000000'],
    ['a tag', 'a100c107'],
    ['undefined', 'a100f7'],
    ['a map of indefinite length', 'bf0007ff'],
    ['text of indefinite length', 'a10007017f6161ff'],
    ['a duplicate key', 'a200070008'],
    ['a key that is text', 'a1613007'],
    ['a key that is large', 'a119010007'],
    ['something behind the end', 'a1000700'],
    ['an end too early', 'a100'],
    ['a list longer than the frame', 'a10007019affffffff'],
    ['bytes longer than the frame', 'a10007015affffffff'],
    ['bytes with a length of eight bytes', 'a10007015b0000000000000000'],
    ['text that is not UTF-8', 'a100070161ff'],
    ['17 levels', `a1000701${'81'.repeat(16)}00`],
  ])('refuses %s', (_name, hex) => {
    expect(reject(FrameType.ping, bytesOf(hex))).toMatchObject({ code: 'malformed', closeCode: 3 });
  });

  it('takes 16 levels', () => {
    expect(decodePayload(FrameType.ping, bytesOf(`a2000701${'81'.repeat(15)}00`))).toEqual({
      type: 'ping',
      nonce: 7,
    });
  });

  it('refuses a payload beyond its limit before it looks into it', () => {
    for (const type of Object.values(FrameType)) {
      const limit = payloadLimit(type) ?? 0;
      expect(reject(type, new Uint8Array(limit + 1))).toMatchObject({ code: 'limit-exceeded', closeCode: 7 });
    }
  });

  const malformed: readonly (readonly [string, Frame, string])[] = [
    ['a name of 65 characters', hello({ name: '☀'.repeat(65) }), 'limit-exceeded'],
    ['a name that moves the cursor', hello({ name: 'a\u001b[2J' }), 'malformed'],
    ['too many versions', hello({ versions: Array.from({ length: 17 }, (_, i) => i) }), 'limit-exceeded'],
    ['a folder named twice', { type: 'auth', folders: [state, state] }, 'malformed'],
    ['a folder ID with a slash', { type: 'folderRemove', folder: 'a/b' as FolderId }, 'malformed'],
    [
      'a path that climbs',
      { type: 'chunkListPart', folder, path: asPath('a/../b'), offset: 0, chunks: [] },
      'bad-path',
    ],
    [
      'an absolute path',
      { type: 'chunkListPart', folder, path: asPath('/etc'), offset: 0, chunks: [] },
      'bad-path',
    ],
    [
      'a path too long',
      { type: 'chunkListPart', folder, path: asPath('x'.repeat(256)), offset: 0, chunks: [] },
      'limit-exceeded',
    ],
    [
      '1,025 chunks in one request',
      { type: 'chunkRequest', requestId: 1, folder, chunks: Array.from({ length: 1025 }, () => hashOf('c')) },
      'limit-exceeded',
    ],
    ['an empty chunk', { type: 'chunk', requestId: 1, index: 0, bytes: new Uint8Array(0) }, 'malformed'],
    ['a place beyond a request', { type: 'chunkMissing', requestId: 1, index: 1024 }, 'limit-exceeded'],
    ['a shard beyond 7', { type: 'folderDemoted', folder, shard: 8 }, 'limit-exceeded'],
    [
      'a throttle of more than 60 s',
      { type: 'throttle', entriesPerSecond: 1, forMs: 60_001 },
      'limit-exceeded',
    ],
    [
      'a port beyond 65,535',
      { type: 'redeem', ticketId: secret, proof: secret, name: 'n', listenPort: 65_536 },
      'limit-exceeded',
    ],
  ];
  it.each(malformed)('refuses %s', (_name, frame, code) => {
    const { frameType, payload } = encodePayload(frame);
    expect(reject(frameType, payload).code).toBe(code);
  });

  it('takes a name of 64 characters, however many bytes they are', () => {
    const { frameType, payload } = encodePayload(hello({ name: '𝄞'.repeat(64) }));
    expect(decodePayload(frameType, payload)).toMatchObject({ name: '𝄞'.repeat(64) });
  });
});

describe('Chunk', () => {
  it('is decoded without a copy', () => {
    const bytes = new Uint8Array(70_000).fill(9);
    const { frameType, payload } = encodePayload({ type: 'chunk', requestId: 2 ** 33, index: 5, bytes });
    const frame = decodePayload(frameType, payload) as FrameOf<'chunk'>;
    expect(frame.bytes.buffer).toBe(payload.buffer);
    expect(frame).toEqual({ type: 'chunk', requestId: 2 ** 33, index: 5, bytes });
  });

  it.each([1, 23, 24, 255, 256, 65_535, 65_536, 4 * 1024 * 1024])(
    'carries %d bytes, and its head can go before them',
    (size) => {
      const bytes = new Uint8Array(size).fill(1);
      const { payload, frameType } = encodePayload({ type: 'chunk', requestId: 3, index: 0, bytes });
      const head = encodeChunkHead(3, 0, size);
      expect(head.length + size).toBe(payload.length);
      expect(payload.subarray(0, head.length)).toEqual(head);
      expect((decodePayload(frameType, payload) as FrameOf<'chunk'>).bytes.length).toBe(size);
    },
  );

  it('is accepted in another order or with unknown keys, too', () => {
    // {1: 2, 0: 1, 2: h'aa', 5: 6}
    expect(decodePayload(FrameType.chunk, bytesOf('a40102000102 41aa 0506'.replaceAll(' ', '')))).toEqual({
      type: 'chunk',
      requestId: 1,
      index: 2,
      bytes: Uint8Array.of(0xaa),
    });
  });
});

describe('decodeDatagram', () => {
  const datagram = (frame: Frame) => {
    const { frameType, payload } = encodePayload(frame);
    return Uint8Array.of(frameType, 0, 0, payload.length >> 8, payload.length & 0xff, ...payload);
  };
  const refusal = (bytes: Uint8Array) => {
    try {
      return decodeDatagram(bytes);
    } catch (error) {
      return error;
    }
  };

  it('reads the frame that a datagram holds', () => {
    const frame = { type: 'folderActivity', counter: 9, folder, sequence: 3 } as const;
    expect(decodeDatagram(datagram(frame))).toEqual(frame);
    expect(datagram(frame)[0]).toBeGreaterThanOrEqual(0x80);
  });

  it('skips what a later version may send', () => {
    expect(decodeDatagram(Uint8Array.of(0xe7, 0, 0, 0, 2, 0xff, 0xff))).toBeUndefined();
  });

  it.each([
    ['nothing', new Uint8Array(0), 'malformed'],
    ['half a head', Uint8Array.of(0x80, 0, 0), 'malformed'],
    ['less than its length', datagram({ type: 'presenceAway', counter: 1 }).slice(0, -1), 'malformed'],
    ['more than its length', Uint8Array.of(0xe0, 0, 0, 0, 0, 1), 'malformed'],
    ['a frame of a stream', datagram({ type: 'ping', nonce: 1 }), 'unknown-frame'],
    ['an unknown frame', Uint8Array.of(0x84, 0, 0, 0, 1, 0xa0), 'unknown-frame'],
    ['too much', new Uint8Array(1_101).fill(0x80), 'limit-exceeded'],
    ['no CBOR', Uint8Array.of(0x80, 0, 0, 0, 1, 0xff), 'malformed'],
  ])('refuses %s', (_, bytes, code) => {
    expect(refusal(bytes)).toMatchObject({ name: 'WireError', code });
  });
});

describe('fields that nobody knows', () => {
  it('are sent when they are asked for, and passed over', () => {
    const frame = hello({});
    const plain = encodePayload(frame).payload;
    const greased = encodePayload(frame, [[0xe3, Uint8Array.of(1)]]);
    expect(greased.payload.length).toBeGreaterThan(plain.length);
    expect(decodePayload(greased.frameType, greased.payload)).toEqual(frame);
  });
});
