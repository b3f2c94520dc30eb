import { describe, expect, it } from 'vitest';
import type { ChunkRef, Content, FileEntry } from '../model/file-entry.js';
import type { DeviceKey, FolderId, IncarnationId } from '../model/identifiers.js';
import { IndexReceiver } from '../session/index-receiver.js';
import { asPath, deleted, entryOf, file, hashOf, rowOf, symlink } from '../testing/entries.js';
import { batchEntries, findEntryLimit } from './batching.js';
import { EMPTY_CONTENT_HASH } from './chunk-list.js';
import { decodeEntry, decodePayload, decodeVersion, encodeEntry, encodeVersion, WireError } from './codec.js';
import { StreamKind } from './frame-types.js';
import type { Frame, SequencedEntry } from './frames.js';
import { frameLimit, Limits } from './limits.js';

const folder = 'f' as FolderId;
const sound = entryOf('p', { content: file('hello'), vector: { a: 1 }, at: 1 });
const withContent = (content: Content): FileEntry => ({ ...sound, version: { ...sound.version, content } });
const chunk = (lengthBytes: number): ChunkRef => ({ hash: hashOf('chunk'), lengthBytes });
const fileOf = (sizeBytes: number, chunks: readonly ChunkRef[], hash = hashOf('whole')): FileEntry =>
  withContent({ type: 'file', sizeBytes, hash, chunks });
const withPath = (path: string): FileEntry => ({ ...sound, path: asPath(path) });
const withStamp = (change: object): FileEntry => ({
  ...sound,
  version: { ...sound.version, stamp: { ...sound.version.stamp, ...change } },
});
const keys = (count: number) =>
  new Map(
    Array.from({ length: count }, (_, i) => [i.toString(16).padStart(16, '0') as IncarnationId, 1] as const),
  );

const refused: readonly (readonly [string, FileEntry, string])[] = [
  ['chunks that do not add up', fileOf(10, [chunk(4), chunk(5)]), 'malformed'],
  ['a chunk without bytes', fileOf(10, [chunk(0), chunk(10)]), 'malformed'],
  [
    'a chunk of more than 4 MiB',
    fileOf(Limits.chunkBytes + 2, [chunk(1), chunk(Limits.chunkBytes + 1)]),
    'limit-exceeded',
  ],
  [
    'a single chunk of more than 4 MiB',
    fileOf(Limits.chunkBytes + 1, [{ hash: hashOf('whole'), lengthBytes: Limits.chunkBytes + 1 }]),
    'limit-exceeded',
  ],
  ['one chunk with another hash than the file', fileOf(10, [chunk(10)]), 'malformed'],
  ['an empty file with the hash of something', fileOf(0, []), 'malformed'],
  ['an empty file with a chunk', fileOf(0, [chunk(1)], EMPTY_CONTENT_HASH), 'malformed'],
  ['a path that climbs', withPath('../x'), 'bad-path'],
  ['an absolute path', withPath('/x'), 'bad-path'],
  ['an empty component', withPath('a//b'), 'bad-path'],
  ['a NUL', withPath('a\0b'), 'bad-path'],
  ['a name that is not NFC', withPath('u\u0308'), 'bad-path'],
  ['the own area', withPath('.landropic'), 'bad-path'],
  ['something in the own area', withPath('.landropic/index'), 'bad-path'],
  ['the own area in other letters', withPath('.LanDropic/x'), 'bad-path'],
  ['the own area as HFS+ reads it', withPath('.land\u200cropic/x'), 'bad-path'],
  ['the own area as Windows reads it', withPath('.landropic. ./x'), 'bad-path'],
  ['a name of 256 bytes', withPath('ü'.repeat(128)), 'limit-exceeded'],
  [
    'a path of more than 4,096 bytes',
    withPath(Array.from({ length: 50 }, () => 'x'.repeat(99)).join('/')),
    'limit-exceeded',
  ],
  ['an empty vector', { ...sound, version: { ...sound.version, vector: new Map() } }, 'malformed'],
  ['a vector of 257 keys', { ...sound, version: { ...sound.version, vector: keys(257) } }, 'limit-exceeded'],
  [
    'a counter of zero',
    { ...sound, version: { ...sound.version, vector: new Map([...keys(1)].map(([key]) => [key, 0])) } },
    'malformed',
  ],
  ['an authored stamp before 1970', withStamp({ physicalMs: -1 }), 'malformed'],
  [
    'an author that would be a path',
    { ...sound, version: { ...sound.version, author: '../x' as DeviceKey } },
    'malformed',
  ],
  [
    'nine replaced contents',
    { ...sound, version: { ...sound.version, replaced: Array.from({ length: 9 }, () => hashOf('r')) } },
    'limit-exceeded',
  ],
  ['an empty link target', withContent(symlink('')), 'malformed'],
  ['a link target with NUL', withContent(symlink('a\0b')), 'malformed'],
  ['a link target of more than 4,096 bytes', withContent(symlink('ü'.repeat(2049))), 'limit-exceeded'],
  ['permission bits beyond 07777', { ...sound, metadata: { ...sound.metadata, mode: 0o10000 } }, 'malformed'],
  [
    'a time that no disk can hold',
    { ...sound, metadata: { ...sound.metadata, mtimeNs: 2n ** 63n } },
    'malformed',
  ],
];

describe('decodeEntry', () => {
  it.each(refused)('refuses %s, and the sender finds it first', (_name, entry, code) => {
    expect(findEntryLimit(entry)).toMatch(/^Not sent to other devices: .*\.$/);
    const bytes = encodeEntry(entry);
    expect(() => decodeEntry(bytes)).toThrow(expect.objectContaining({ name: 'WireError', code }));
  });

  it.each([
    ['a small file', sound],
    ['an empty file', fileOf(0, [], EMPTY_CONTENT_HASH)],
    ['a file of several chunks', fileOf(12, [chunk(5), chunk(7)])],
    ['a deletion', withContent(deleted)],
    ['a vector of 256 keys', { ...sound, version: { ...sound.version, vector: keys(256) } }],
    ['a found version from before 1970', withStamp({ physicalMs: -1, found: true })],
    ['a name of 255 bytes', withPath('x'.repeat(255))],
    ['a name that only looks like the own area', withPath('.landropical')],
    ['the own name further down', withPath('a/.landropic')],
  ])('takes %s', (_name, entry) => {
    expect(findEntryLimit(entry)).toBeUndefined();
    expect(decodeEntry(encodeEntry(entry))).toEqual(entry);
  });

  it('has one encoding for a vector, in whatever order it was made', () => {
    const items = [...keys(5)];
    const reversed = { ...sound, version: { ...sound.version, vector: new Map(items.reverse()) } };
    const ordered = { ...sound, version: { ...sound.version, vector: keys(5) } };
    expect(encodeEntry(reversed)).toEqual(encodeEntry(ordered));
  });
});

describe('decodeVersion', () => {
  it('reads what stands at a path, without the path', () => {
    const { version, metadata } = sound;
    expect(decodeVersion(encodeVersion({ version, metadata }))).toEqual({ version, metadata });
    expect(() => decodeVersion(Uint8Array.of(0xa0))).toThrow(WireError);
  });
});

describe('frameLimit', () => {
  it.each([
    ['control', StreamKind.control, 0x00, 1024 * 1024],
    ['index', StreamKind.indexShard, 0x31, 4 * 1024 * 1024],
    ['hot folder', StreamKind.hotFolder, 0x32, 4 * 1024 * 1024],
    ['receipts', StreamKind.receipts, 0x61, 64 * 1024],
    ['chunks', StreamKind.chunks, 0x71, 4 * 1024 * 1024 + 64],
    ['pairing', StreamKind.pairing, 0x90, 4 * 1024],
  ])('knows what %s streams carry, and how much', (_name, kind, own, limit) => {
    expect(frameLimit(kind, own)).toBe(limit);
    expect(frameLimit(kind, 0xe5)).toBe(limit);
    expect(frameLimit(kind, 0xdf)).toBeUndefined();
    expect(frameLimit(kind, 0x83)).toBeUndefined();
    expect(frameLimit(0x7f, own)).toBeUndefined();
  });

  it('lets no frame onto two kinds of stream but errors and the index', () => {
    const kinds = [
      StreamKind.control,
      StreamKind.indexShard,
      StreamKind.receipts,
      StreamKind.chunks,
      StreamKind.pairing,
    ];
    for (let type = 0; type < 0xe0; type++) {
      expect(kinds.filter((kind) => frameLimit(kind, type) !== undefined).length).toBeLessThan(2);
    }
  });
});

describe('batchEntries', () => {
  function receive(items: readonly SequencedEntry[]): { entries: SequencedEntry[]; frames: Frame[] } {
    const asked = { folder, indexId: '0000000000000000', afterSequence: 0 } as ConstructorParameters<
      typeof IndexReceiver
    >[0];
    const receiver = new IndexReceiver(asked);
    receiver.handle({ type: 'indexStart', ...asked }, 0);
    const frames: Frame[] = [];
    const entries: SequencedEntry[] = [];
    const encoded = items.map(({ sequence, entry }) => ({ sequence, bytes: encodeEntry(entry) }));
    let upTo = 0;
    for (const { frameType, payload, upToSequence } of batchEntries(folder, encoded)) {
      expect(payload.length).toBeLessThanOrEqual(Limits.indexFrameBytes);
      const frame = decodePayload(frameType, payload);
      if (frame === undefined) throw new Error('skipped');
      frames.push(frame);
      for (const item of receiver.handle(frame, 0).entries) entries.push(item);
      upTo = upToSequence ?? upTo;
      expect(upTo).toBe(entries.at(-1)?.sequence ?? 0);
    }
    return { entries, frames };
  }

  it('puts at most 2,000 entries into a frame', () => {
    const items = Array.from({ length: 4_001 }, (_, i) => ({ sequence: i + 1, entry: withPath(`f${i}`) }));
    const { entries, frames } = receive(items);
    expect(entries).toEqual(items);
    expect(frames.length).toBe(3);
  });

  it('keeps frames below 4 MiB', () => {
    const chunks = Array.from({ length: 30_000 }, () => chunk(1));
    const items = Array.from({ length: 9 }, (_, i) => ({
      sequence: i + 1,
      entry: { ...fileOf(30_000, chunks), path: asPath(`f${i}`) },
    }));
    const { entries, frames } = receive(items);
    expect(entries).toEqual(items);
    expect(frames.map((frame) => frame.type)).toEqual(['indexEntries', 'indexEntries', 'indexEntries']);
  });

  it('sends a long chunk list ahead, in parts', () => {
    const chunks = Array.from({ length: 250_001 }, () => chunk(1));
    const large = fileOf(250_001, chunks);
    const items = [
      { sequence: 1, entry: withPath('before') },
      { sequence: 2, entry: large },
      { sequence: 3, entry: withPath('q') },
    ];
    const { entries, frames } = receive(items);
    expect(frames.map((frame) => frame.type)).toEqual([
      'indexEntries',
      'chunkListPart',
      'chunkListPart',
      'chunkListPart',
      'indexEntries',
    ]);
    expect(entries.map((item) => item.entry.path)).toEqual(['before', 'p', 'q']);
    expect(entries[1]?.entry.version.content).toMatchObject({ chunks: { length: 250_001 } });
    expect(rowOf('p', entries[1]?.entry).known?.version.vector).toEqual(large.version.vector);
  });
});
