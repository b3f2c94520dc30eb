// The parts of the engine by themselves, in this process: cutting, hashing, encoding, the index.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = new URL('../../packages/daemon/dist/', import.meta.url);
const part = (path) => import(new URL(path, DIST).href);
const ROUNDS = 3;

const BENCHES = [
  { name: 'chunking', unit: 'MB/s', measure: measureChunking },
  { name: 'entry-encode', unit: '1/s', measure: (parts) => measureCodec(parts).then(({ encode }) => encode) },
  { name: 'entry-decode', unit: '1/s', measure: (parts) => measureCodec(parts).then(({ decode }) => decode) },
  { name: 'index-put', unit: 'rows/s', measure: measureIndexPut },
];

/** Runs the benchmarks (all, or the one named by `only`) and gives each result to `emit`: the best of its rounds. */
export async function run(emit, { only } = {}) {
  for (const { name, unit, measure } of BENCHES) {
    if (only !== undefined && only !== name) continue;
    let best = 0;
    for (let round = 0; round < ROUNDS; round++) best = Math.max(best, await measure());
    emit({ bench: name, value: Number(best.toPrecision(4)), unit });
  }
}

async function measureChunking() {
  const { Chunker, chunkParameters } = await part('core/chunking/fastcdc.js');
  const bytes = randomBytes(128e6);
  const chunker = new Chunker(chunkParameters(bytes.length));
  const started = performance.now();
  chunker.push(bytes, () => {});
  chunker.finish(() => {});
  return bytes.length / 1e3 / (performance.now() - started);
}

async function measureCodec() {
  const { encodeEntry, decodeEntry } = await part('core/wire/codec.js');
  const entries = Array.from({ length: 20_000 }, (_, i) => smallEntry(i, 1));
  let started = performance.now();
  const encoded = entries.map((entry) => encodeEntry(entry));
  const encode = (entries.length * 1e3) / (performance.now() - started);
  started = performance.now();
  for (const bytes of encoded) decodeEntry(bytes);
  return { encode, decode: (encoded.length * 1e3) / (performance.now() - started) };
}

async function measureIndexPut() {
  const { openContentIndex } = await part('index/open-content-index.js');
  const { systemClock: clock } = await part('assembly/system-clock.js');
  const directory = mkdtempSync(join(tmpdir(), 'landropic-bench-'));
  const index = openContentIndex({
    file: join(directory, 'index.sqlite'),
    folder: 'bench',
    randomBytes,
    clock,
  });
  try {
    const count = 20_000;
    const batch = 500;
    const started = performance.now();
    for (let from = 0; from < count; from += batch) {
      index.transact((tx) => {
        for (let i = from; i < from + batch; i++) putRow(tx, i);
      });
    }
    return (count * 1e3) / (performance.now() - started);
  } finally {
    index.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function putRow(tx, i) {
  const sequence = tx.nextSequence();
  const known = smallEntry(i, sequence);
  const stat = {
    type: 'file',
    sizeBytes: 4_096,
    mtimeNs: known.metadata.mtimeNs,
    ctimeNs: known.metadata.mtimeNs,
    inode: BigInt(i + 1),
    device: 1n,
    mode: 0o644,
    links: 1,
  };
  const held = { version: known.version, metadata: known.metadata, stat, racy: false };
  tx.put({ path: known.path, sequence, known, held, source: undefined, conflictOf: undefined });
}

function smallEntry(i, sequence) {
  const hash = i.toString(16).padStart(64, '0');
  const stamp = {
    found: false,
    physicalMs: 1_700_000_000_000 + i,
    counter: 0,
    incarnation: '00112233445566ff',
  };
  return {
    path: `directory-${i % 100}/file-${i}`,
    version: {
      content: { type: 'file', sizeBytes: 4_096, hash, chunks: [{ hash, lengthBytes: 4_096 }] },
      vector: new Map([[stamp.incarnation, sequence]]),
      stamp,
      replaced: [],
      author: 'AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA-AAAAAAA',
    },
    metadata: { mtimeNs: 1_700_000_000_000_000_000n + BigInt(i), executable: false, mode: 0o644, stamp },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await run((result) => console.log(JSON.stringify(result)));
