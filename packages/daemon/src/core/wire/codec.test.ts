import { describe, expect, it } from 'vitest';
import type { FolderId } from '../model/identifiers.js';
import { asPath, hashOf } from '../testing/entries.js';
import { folder, frames, secret, state } from '../testing/frames.js';
import { decodePayload, encodeChunkHead, encodePayload, WireError } from './codec.js';
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

describe('encodePayload', () => {
  it('writes each frame as the protocol has it: golden bytes', () => {
    const golden = frames.map((frame) => {
      const { frameType, payload } = encodePayload(frame);
      return `${frameType.toString(16).padStart(2, '0')} ${frame.type} ${toHex(payload)}`;
    });
    expect(golden).toMatchInlineSnapshot(`
      [
        "00 hello a6008201020164626f6f74020103664c6170746f70046d6c616e64726f70696320302e3105816166",
        "01 helloAck a600010164626f6f7402617303644465736b0461780580",
        "01 helloAck a50164626f6f7402617303644465736b0461780580",
        "02 auth a10081a7006670686f746f73016a50686f746f7320e2988002480123456789abcdef0319012c0448fedcba98765432100548aaaaaaaaaaaaaaaa061b0000010000000000",
        "03 authOk a10081a5006670686f746f73016a50686f746f7320e2988002480123456789abcdef0319012c0448fedcba9876543210",
        "04 authFailed a100626e6f",
        "05 ping a10007",
        "06 pong a1001b0004000000000000",
        "07 throttle a20018640119ea60",
        "08 goodbye a10063627965",
        "10 folderOffer a100a7006670686f746f73016a50686f746f7320e2988002480123456789abcdef0319012c0448fedcba98765432100548aaaaaaaaaaaaaaaa061b0000010000000000",
        "11 folderAccept a100a7006670686f746f73016a50686f746f7320e2988002480123456789abcdef0319012c0448fedcba98765432100548aaaaaaaaaaaaaaaa061b0000010000000000",
        "12 folderDecline a1006670686f746f73",
        "13 folderRemove a1006670686f746f73",
        "14 folderPause a2006670686f746f7301f5",
        "30 indexStart a3006670686f746f7301480123456789abcdef0205",
        "31 indexEntries a2006670686f746f7301880a58a2a90068612fc3bc2e747874010002582061616161616161610000000000000001626262626262626200000002000000000384f41b000001a0c4506c0000486161616161616161046c444556494345412d524553540558207800000000000000000000000000000000000000000000000000000000000000068400f4f6f6070508582068656c6c6f0000000000000000000000000000000000000000000000000000000b583ca600616401010250616161616161616100000000000000020384f40500486161616161616161046c444556494345412d52455354068400f51901edf60c5848a700616c01020250616161616161616100000000000000030384f40600486161616161616161046c444556494345412d5245535406841b18d75b842b4ecd15f4f6f60b642e2e2f740d5841a60064676f6e6501030250626262626262626200000000000000090384f52600486262626262626262046c444556494345422d5245535406843a006acfbff4f6f6",
        "32 chunkListPart a4006670686f746f7301636269670203035824630000000000000000000000000000000000000000000000000000000000000000010000",
        "33 indexEnd a2006670686f746f73011863",
        "50 shardAssignment a10081a2006670686f746f730107",
        "51 folderPromoted a1006670686f746f73",
        "52 folderDemoted a2006670686f746f730100",
        "60 delivered a3006670686f746f7301480123456789abcdef0204",
        "61 durable a4006670686f746f7301480123456789abcdef02030381a20063434f4e01687265736572766564",
        "62 members a2006670686f746f730181a200634141410182480123456789abcdef08",
        "70 chunkRequest a30001016670686f746f7302584063000000000000000000000000000000000000000000000000000000000000006400000000000000000000000000000000000000000000000000000000000000",
        "71 chunk a30019012c011903ff0243010203",
        "72 chunkMissing a200010102",
        "73 chunkCancel a10001",
        "80 presenceOnline a10001",
        "81 presenceAway a10002",
        "82 presenceOffline a10003",
        "83 folderActivity a30004016670686f746f730205",
        "90 redeem a400430102030143010203026550686f6e6503191092",
        "90 redeem a300430102030143010203026550686f6e65",
        "91 redeemed a20043010203016550686f6e65",
        "92 sasCommit a20043010203016550686f6e65",
        "93 sasNonce a20043010203016550686f6e65",
        "94 sasReveal a10043010203",
        "95 sasConfirm a100f4",
        "96 pairRefused a1006765787069726564",
        "ff error a20003016477686174",
      ]
    `);
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
