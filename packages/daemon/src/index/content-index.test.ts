import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Content, FileEntry } from '../core/model/file-entry.js';
import type { ContentHash, DeviceKey, FolderId, IncarnationId } from '../core/model/identifiers.js';
import { type DirectoryPath, parseRelativePath, type RelativePath } from '../core/model/relative-path.js';
import type { ContentIndex, Held, IndexRow, IndexTransaction, Intent } from '../core/ports/content-index.js';
import type { AreaPath, FileStat } from '../core/ports/folder-disk.js';
import { decodeEntry } from '../core/wire/entry-codec.js';
import { MemoryIndex } from './memory-index.js';
import { openContentIndex } from './open-content-index.js';
import type { SqliteIndex } from './sqlite-index.js';

const folder = 'photos' as FolderId;
const clock = { nowMs: () => 0, monotonicMs: () => 0, after: () => () => undefined };
// Names around `/` in byte order, and two that UTF-16 order and byte order sort differently.
const PATHS = ['a', 'a/b', 'a/b/c', 'a-b', 'a.b', 'a0', 'a b/c', 'A', 'a/\u{1f600}', 'a/\ufffd', 'z'].map(
  pathOf,
);
const DIRECTORIES: readonly DirectoryPath[] = ['', ...PATHS];
const DEVICES = ['LAPTOP-1', 'DESKTOP-2'] as DeviceKey[];
const HASHES = ['11', '22', '33', '44'].map((pair) => pair.repeat(32) as ContentHash);
const [H1, H2, H3] = HASHES as [ContentHash, ContentHash, ContentHash];
const EMPTY_HASH = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262' as ContentHash;
const INCARNATIONS = ['00000000000000aa', '00000000000000bb'] as IncarnationId[];
const LARGE_INODE = 0xffff_ffff_ffff_fff0n;

function pathOf(text: string): RelativePath {
  const path = parseRelativePath(text);
  if (path === undefined) throw new Error(`no path: ${text}`);
  return path;
}

const CONTENTS: readonly Content[] = [
  { type: 'directory' },
  { type: 'deleted' },
  { type: 'symlink', target: '../elsewhere' },
  { type: 'file', sizeBytes: 0, hash: EMPTY_HASH, chunks: [] },
  { type: 'file', sizeBytes: 10, hash: H1, chunks: [{ hash: H1, lengthBytes: 10 }] },
  fileOf(H2, [H1, H3]),
  fileOf(H3, [H3, H1, H1]),
  fileOf(HASHES[3] ?? H1, [H2, H1, H3, H1]),
];

function fileOf(hash: ContentHash, chunks: readonly ContentHash[]): Content {
  const lengthBytes = 7;
  return {
    type: 'file',
    sizeBytes: chunks.length * lengthBytes,
    hash,
    chunks: chunks.map((chunk) => ({ hash: chunk, lengthBytes })),
  };
}

const stampArbitrary = fc.record({
  found: fc.boolean(),
  physicalMs: fc.nat(3),
  counter: fc.nat(2),
  incarnation: fc.constantFrom(...INCARNATIONS),
});

const registersArbitrary = fc.record({
  version: fc.record({
    content: fc.constantFrom(...CONTENTS),
    vector: fc
      .dictionary(fc.constantFrom(...INCARNATIONS), fc.integer({ min: 1, max: 2 }), { minKeys: 1 })
      .map((counters) => new Map(Object.entries(counters) as [IncarnationId, number][])),
    stamp: stampArbitrary,
    replaced: fc.subarray(HASHES),
    author: fc.constantFrom(...DEVICES),
  }),
  metadata: fc
    .record({
      mtimeNs: fc.constantFrom(0n, -1n, 1_763_000_000_123_456_789n),
      executable: fc.boolean(),
      mode: fc.constantFrom(undefined, 0o644),
      stamp: stampArbitrary,
    })
    .map(({ mode, ...rest }) => (mode === undefined ? rest : { ...rest, mode })),
});

const statArbitrary: fc.Arbitrary<FileStat> = fc.record({
  type: fc.constantFrom('file', 'directory', 'symlink', 'other'),
  sizeBytes: fc.constantFrom(0, 10, 2 ** 52),
  mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  ctimeNs: fc.constant(1_763_000_000_123_456_789n),
  inode: fc.constantFrom(1n, -5n, LARGE_INODE),
  device: fc.constantFrom(0n, LARGE_INODE),
  mode: fc.constantFrom(0o644, 0o7777),
  links: fc.nat(3),
});

type Registers = Pick<FileEntry, 'version' | 'metadata'>;

/** A row but for its sequence, which only the transaction can give. */
const rowArbitrary: fc.Arbitrary<Omit<IndexRow, 'sequence'>> = fc
  .record({
    path: fc.constantFrom(...PATHS),
    known: fc.option(registersArbitrary, { nil: undefined }),
    other: registersArbitrary,
    relation: fc.constantFrom(
      'nothing held',
      'as known',
      'other author',
      'other chunks',
      'other metadata',
      'other',
    ),
    stat: statArbitrary,
    racy: fc.boolean(),
    source: fc.option(fc.constantFrom(...DEVICES), { nil: undefined }),
    conflictOf: fc.option(fc.constantFrom(...PATHS), { nil: undefined, freq: 2 }),
  })
  .map(({ path, known, other, relation, stat, racy, source, conflictOf }) => {
    const held = (of: Registers): Held => ({ version: of.version, metadata: of.metadata, stat, racy });
    const heldBy = {
      'nothing held': undefined,
      'as known': held(known ?? other),
      'other author': held({
        ...(known ?? other),
        version: { ...(known ?? other).version, author: other.version.author },
      }),
      'other chunks': held({ ...(known ?? other), version: rechunked((known ?? other).version) }),
      'other metadata': held({ version: (known ?? other).version, metadata: other.metadata }),
      other: held(other),
    };
    return {
      path,
      known: known && { path, ...known },
      held: heldBy[relation as keyof typeof heldBy],
      source,
      conflictOf,
    };
  });

/** The same content as far as its hash says, in other chunks: what a lying peer may send. */
function rechunked(version: Registers['version']): Registers['version'] {
  const { content } = version;
  if (content.type !== 'file' || content.chunks.length < 2) return version;
  return { ...version, content: { ...content, chunks: [...content.chunks].reverse() } };
}

const areaArbitrary = fc.option(fc.constant('tmp/1' as AreaPath), { nil: undefined });

const intentArbitrary: fc.Arbitrary<Intent> = fc.record({
  id: fc.constantFrom('i1', 'i2'),
  path: fc.constantFrom(...PATHS),
  entry: registersArbitrary.map((registers) => ({ path: pathOf('z'), ...registers })),
  assumed: fc.option(statArbitrary, { nil: undefined }),
  temp: areaArbitrary,
  tempInode: fc.constantFrom(undefined, 7n, LARGE_INODE),
  displacedTo: areaArbitrary,
  copy: fc.option(
    registersArbitrary.map((registers) => ({ path: pathOf('a'), ...registers })),
    { nil: undefined },
  ),
  movedFrom: fc.option(fc.constantFrom(...PATHS), { nil: undefined }),
});

type Write = (tx: IndexTransaction) => void;
const named = (name: string, write: Write): Write => Object.assign(write, { toString: () => name });

const writeArbitrary: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 10,
    arbitrary: rowArbitrary.map((row) =>
      named(`put ${fc.stringify(row)}`, (tx) => tx.put({ ...row, sequence: tx.nextSequence() })),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...PATHS), fc.option(statArbitrary, { nil: undefined }))
      .map(([path, stat]) => named(`hold what is known at ${path}`, (tx) => holdKnown(tx, path, stat))),
  },
  fc.constantFrom(...PATHS).map((path) => named(`remove ${path}`, (tx) => tx.remove(path))),
  fc.constant(named('finish scan', (tx) => tx.finishFirstScan())),
  fc.constant(named('take a sequence number', (tx) => void tx.nextSequence())),
  intentArbitrary.map((intent) => named(`intent ${fc.stringify(intent)}`, (tx) => tx.addIntent(intent))),
  fc.constantFrom('i1', 'i2').map((id) => named(`remove intent ${id}`, (tx) => tx.removeIntent(id))),
  fc
    .tuple(fc.constantFrom(...DEVICES), fc.nat(5))
    .map(([device, at]) => named(`peer ${device} ${at}`, (tx) => setPeer(tx, device, at))),
  fc.constantFrom(...DEVICES).map((device) => named('remove peer', (tx) => tx.removePeer(device))),
  fc
    .tuple(fc.constantFrom('a', 'b\\xff'), fc.constantFrom('io-error', 'bad-name'))
    .map(([path, code]) => named('problem', (tx) => tx.setProblem({ path, code, text: `${path} ${code}` }))),
  fc.constantFrom('a', 'b\\xff').map((path) => named('clear problem', (tx) => tx.clearProblem(path))),
  fc
    .constantFrom(...PATHS)
    .map((path) =>
      named('forget history', (tx) => tx.removeHistory({ path, area: 'history/1/a' as AreaPath })),
    ),
  fc.tuple(fc.constantFrom(...PATHS), fc.nat(3)).map(([path, displacedAtMs]) =>
    named('history', (tx) =>
      tx.addHistory({
        path,
        area: 'history/1/a' as AreaPath,
        displacedAtMs,
        sizeBytes: 10,
        hash: displacedAtMs === 0 ? undefined : H1,
        reason: displacedAtMs === 1 ? 'deleted' : 'replaced',
        author: displacedAtMs === 2 ? undefined : ('MAKER' as DeviceKey),
      }),
    ),
  ),
);

/** What the applier does: the same row and sequence, now with something held. */
function holdKnown(tx: IndexTransaction, path: RelativePath, stat: FileStat | undefined): void {
  const row = tx.get(path);
  if (row?.known === undefined) return;
  const { version, metadata } = row.known;
  tx.put({ ...row, held: stat && { version, metadata, stat, racy: false } });
}

function setPeer(tx: IndexTransaction, device: DeviceKey, at: number): void {
  tx.setPeer(device, {
    theirIndexId: at === 0 ? undefined : tx0IndexId,
    theirsDurableHere: at,
    ourIndexId: at === 1 ? undefined : tx0IndexId,
    oursDurableThere: at * 1000,
    unplaceableThere: Array.from({ length: at }, (_, i) => ({ path: `p${i}`, reason: 'case twin' })),
  });
}

const tx0IndexId = '00000000000000cc' as ReturnType<ContentIndex['identity']>['indexId'];

const stepArbitrary = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('transaction' as const),
      writes: fc.array(writeArbitrary, { maxLength: 6 }),
      fails: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

/** Everything that can be asked, as one value. */
function answersOf(index: SqliteIndex | MemoryIndex) {
  const { sequence, firstScanDone } = index.identity();
  return {
    sequence,
    firstScanDone,
    counts: index.counts(),
    rows: PATHS.map((path) => index.get(path)),
    children: DIRECTORIES.map((directory) => index.heldChildren(directory)),
    below: DIRECTORIES.map((directory) => [...index.rowsBelow(directory)]),
    live: PATHS.map((path) => index.hasLiveBelow(path)),
    after: [0, 1, sequence - 1].map((from) => index.entriesAfter(from, 3)),
    encoded: [0, 2].map((from) =>
      index
        .encodedEntriesAfter(from, 3)
        .map(({ bytes, ...rest }) => ({ ...rest, entry: decodeEntry(bytes) })),
    ),
    needed: [index.needed(100), index.needed(2), index.needed(2, pathOf('a-b'))],
    withContent: HASHES.map((hash) => [...index.heldWithContent(hash, 100)].sort()),
    chunks: HASHES.map((hash) =>
      index
        .heldChunk(hash, 100)
        .map((at) => JSON.stringify(at))
        .sort(),
    ),
    chunkLimit: HASHES.map((hash) => index.heldChunk(hash, 2).length),
    racy: index.racy(3),
    conflicts: index.conflicts(100),
    copies: PATHS.map((path) => index.copiesOf(path)),
    peers: DEVICES.map((device) => index.peer(device)),
    intents: index.intents(),
    problems: index.problems(5),
    history: PATHS.map((path) => index.historyOf(path, 2)),
    historyBelow: DIRECTORIES.map((directory) => index.historyBelow(directory, 4)),
    oldestHistory: index.oldestHistory(3),
    historyPaths: [index.historyPaths(9), index.historyPaths(2, pathOf('a-b'))],
  };
}

describe('the content index', () => {
  let directory: string;
  let opened: SqliteIndex[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'landropic-index-'));
    opened = [];
  });
  afterEach(() => {
    for (const index of opened) index.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const open = (name = 'photos') => {
    const index = openContentIndex({ file: join(directory, `${name}.sqlite`), folder, randomBytes, clock });
    opened.push(index);
    return index;
  };

  it('answers as its model does, whatever was written, rolled back and opened again', () => {
    let run = 0;
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 8 }), (steps) => {
        const model = new MemoryIndex(folder, randomBytes);
        let index = open(`run-${run++}`);
        for (const step of steps) {
          if (step.kind === 'reopen') {
            const before = index.identity();
            index.close();
            index = open(`run-${run - 1}`);
            expect(index.identity()).toEqual(before);
            expect(index.rebuilt).toBeUndefined();
          } else {
            const failure = new Error('in the middle');
            const work = (tx: IndexTransaction) => {
              for (const write of step.writes) write(tx);
              if (step.fails) throw failure;
            };
            const outcomes = [index, model].map((each) => outcomeOf(() => each.transact(work)));
            expect(outcomes[0]).toBe(outcomes[1]);
          }
          expect(answersOf(index)).toEqual(answersOf(model));
          expect(index.recount()).toEqual(index.counts());
        }
        // Once more from the file alone: what was just written is answered from memory.
        index.close();
        index = open(`run-${run - 1}`);
        expect(answersOf(index)).toEqual(answersOf(model));
        index.close();
      }),
      { numRuns: 120 },
    );
  });

  it('sees its own writes inside a transaction, and none of them after it failed', () => {
    const index = open();
    const path = pathOf('a/b');
    expect(() =>
      index.transact((tx) => {
        tx.put(heldFileRow(path, tx.nextSequence()));
        expect(tx.get(path)?.sequence).toBe(1);
        expect(tx.hasLiveBelow(pathOf('a'))).toBe(true);
        expect(index.counts().files).toBe(1);
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(index.get(path)).toBeUndefined();
    expect(index.counts().files).toBe(0);
    expect(index.identity().sequence).toBe(0);
    expect(index.transact((tx) => tx.nextSequence())).toBe(1);
  });

  it('gives each commit that takes a sequence number a tag of its own, and keeps it through every other', () => {
    const index = open();
    const tags = [index.identity().commitTag];
    index.transact((tx) => tx.nextSequence());
    tags.push(index.identity().commitTag);
    index.transact((tx) => tx.nextSequence());
    tags.push(index.identity().commitTag);
    expect(new Set(tags).size).toBe(3);
    index.transact((tx) => tx.setProblem({ path: 'a', code: 'io-error', text: 'x' }));
    index.transact(() => undefined);
    expect(index.identity().commitTag).toBe(tags[2]);
  });

  it('refuses to give two rows one sequence number, for the second would never be sent', () => {
    const index = open();
    expect(() =>
      index.transact((tx) => {
        const sequence = tx.nextSequence();
        tx.put(heldFileRow(pathOf('a'), sequence));
        tx.put(heldFileRow(pathOf('z'), sequence));
      }),
    ).toThrow(expect.objectContaining({ code: 'misuse' }));
    expect(index.get(pathOf('a'))).toBeUndefined();
  });

  it('refuses a row that it could not read back', () => {
    const index = open();
    const row = heldFileRow(pathOf('a'), 1);
    const known = row.known && { ...row.known, version: { ...row.known.version, vector: new Map() } };
    expect(() => index.transact((tx) => tx.put({ ...row, known }))).toThrow(
      expect.objectContaining({ code: 'misuse' }),
    );
  });

  it('refuses transactions inside of transactions, after their end, and with promises', () => {
    const index = open();
    let leaked: IndexTransaction | undefined;
    index.transact((tx) => {
      leaked = tx;
    });
    const misuse = expect.objectContaining({ code: 'misuse' });
    expect(() => leaked?.nextSequence()).toThrow(misuse);
    expect(() => index.transact(() => index.transact(() => undefined))).toThrow(misuse);
    expect(() => index.transact(async (tx) => tx.nextSequence())).toThrow(misuse);
    expect(index.identity().sequence).toBe(0);
  });

  it('walks all rows below a directory while they are written', () => {
    const index = open();
    const paths = Array.from({ length: 700 }, (_, i) => pathOf(`d/${String(i).padStart(4, '0')}`));
    index.transact((tx) => {
      for (const path of paths) tx.put(heldFileRow(path, tx.nextSequence()));
    });
    const seen: string[] = [];
    for (const row of index.rowsBelow(pathOf('d'))) {
      seen.push(row.path);
      index.transact((tx) => tx.remove(row.path));
    }
    expect(seen).toEqual(paths);
    expect(index.counts().files).toBe(0);
  });

  it('stops encoded entries at a number of bytes, but never before the first', () => {
    const index = open();
    index.transact((tx) => {
      for (const path of PATHS) tx.put(heldFileRow(path, tx.nextSequence()));
    });
    const all = index.encodedEntriesAfter(0, 100);
    expect(all).toHaveLength(PATHS.length);
    expect(index.encodedEntriesAfter(0, 100, 1)).toHaveLength(1);
    const two = (all[0]?.bytes.length ?? 0) + (all[1]?.bytes.length ?? 0);
    expect(index.encodedEntriesAfter(0, 100, two)).toHaveLength(2);
  });

  it('keeps no more than a thousand unplaceable paths of a peer', () => {
    const index = open();
    index.transact((tx) => setPeer(tx, DEVICES[0] ?? ('' as DeviceKey), 1200));
    expect(index.peer(DEVICES[0] ?? ('' as DeviceKey))?.unplaceableThere).toHaveLength(1000);
  });
});

function outcomeOf(run: () => void): string {
  try {
    run();
    return 'done';
  } catch (error) {
    return String(error);
  }
}

function heldFileRow(path: RelativePath, sequence: number): IndexRow {
  const stamp = { found: false, physicalMs: 1, counter: 0, incarnation: INCARNATIONS[0] as IncarnationId };
  const content = CONTENTS[4] as Content;
  const version = {
    content,
    vector: new Map([[stamp.incarnation, sequence]]),
    stamp,
    replaced: [],
    author: DEVICES[0] as DeviceKey,
  };
  const metadata = { mtimeNs: 5n, executable: false, stamp };
  const stat: FileStat = {
    type: 'file',
    sizeBytes: 10,
    mtimeNs: 5n,
    ctimeNs: 5n,
    inode: 1n,
    device: 1n,
    mode: 0o644,
    links: 1,
  };
  return {
    path,
    sequence,
    known: { path, version, metadata },
    held: { version, metadata, stat, racy: false },
    source: undefined,
    conflictOf: undefined,
  };
}
