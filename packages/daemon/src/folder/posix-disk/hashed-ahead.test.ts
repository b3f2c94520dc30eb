import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChunkRef, Content } from '../../core/model/file-entry.js';
import { VerifiedPrefix } from '../../core/transfer/verified-prefix.js';
import { contentOf, hashOf, makeTestFolder, noise, type TestFolder } from '../folder-fixture.js';
import { accessDirectories } from './access-directories.js';
import type { DiskCall } from './disk-calls.js';
import { DiskThreads } from './disk-threads.js';
import { WatchedPartial } from './hashed-ahead.js';
import { finishPartial, hashAhead } from './partial-files.js';
import { RunningHash, RunningHashes } from './running-hashes.js';

type FileContent = Content & { type: 'file' };

/** Large enough for the lane of long calls. */
const bytes = noise(17 * 1024 * 1024);
const content = contentOf(bytes);
const places: readonly { readonly chunk: ChunkRef; readonly offsetBytes: number }[] = placesOf(content);

function placesOf({ chunks }: FileContent) {
  let end = 0;
  return chunks.map((chunk) => {
    end += chunk.lengthBytes;
    return { chunk, offsetBytes: end - chunk.lengthBytes };
  });
}

/** The calling thread, which remembers what it was asked for. */
class RecordedThreads extends DiskThreads {
  readonly calls: DiskCall[] = [];
  /** Answers instead, as a thread that took the place of one that died. */
  replacement: DiskThreads | undefined;

  constructor() {
    super({ threads: 0 });
  }

  override call<Call extends DiskCall>(...[lane, rootPath, call, transfer]: Parameters<DiskThreads['call']>) {
    this.calls.push(call);
    const threads = this.replacement;
    return threads === undefined
      ? super.call<Call>(lane, rootPath, call as Call, transfer)
      : threads.call<Call>(lane, rootPath, call as Call, transfer);
  }

  /** Whether the last finish could go on from what was hashed ahead. */
  get wentOn(): boolean {
    const finish = this.calls.findLast((call) => call.op === 'finish-partial');
    return finish?.op === 'finish-partial' && finish.soundAtNs !== undefined;
  }
}

let threads: RecordedThreads;
let folder: TestFolder;
const inMemory = existsSync('/dev/shm') ? '/dev/shm' : undefined;

beforeEach(() => {
  threads = new RecordedThreads();
  folder = makeTestFolder({ sharedThreads: threads }, inMemory);
});

afterEach(() => folder.remove());

const partialPath = (of = content) => join(folder.root, `.landropic/tmp/${of.hash}.part`);

async function write(indexes: readonly number[], of: FileContent = content): Promise<void> {
  const all = placesOf(of);
  const writes = indexes.flatMap((i) => {
    const place = all[i];
    if (place === undefined) return [];
    const { offsetBytes, chunk } = place;
    return [
      { ...place, bytes: new Uint8Array(bytes.subarray(offsetBytes, offsetBytes + chunk.lengthBytes)) },
    ];
  });
  const results = await folder.disk.writeChunks(of.hash, writes);
  expect(results.every((result) => result.ok && result.value === 'written')).toBe(true);
}

const allIndexes = places.map((_, i) => i);
const half = Math.floor(places.length / 2);
const halfBytes = places[half]?.offsetBytes ?? 0;

/** Everything is written and the first half is hashed ahead, before the second is written. */
async function writeHashedAhead(of: FileContent = content): Promise<void> {
  await folder.disk.openPartial(of);
  await write(allIndexes.slice(0, half), of);
  await folder.disk.hashAhead(of.hash, halfBytes);
  await write(allIndexes.slice(half), of);
}

/** Flips a byte as another process would, at another time than what was written before. */
function flipByte(position: number, of = content): void {
  const before = statSync(partialPath(of), { bigint: true }).ctimeNs;
  const fd = openSync(partialPath(of), 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 1;
  do writeSync(fd, byte, 0, 1, position);
  while (statSync(partialPath(of), { bigint: true }).ctimeNs === before);
  closeSync(fd);
}

describe('a partial that was hashed ahead', () => {
  it('is complete or wrong as if it was hashed at the end', { timeout: 60_000 }, async () => {
    const atRandom = fc.shuffledSubarray(allIndexes, { minLength: places.length });
    // In order as well: at random, next to nothing is whole from the beginning on until the end.
    const orders = fc.oneof(fc.constant(allIndexes), atRandom);
    const usual = fc.constantFrom('hash', 'hash and go on', 'nothing');
    const event = fc.oneof(
      { weight: 20, arbitrary: usual },
      fc.constantFrom('reopen', 'flip', 'write again'),
    );
    const turns = fc.array(fc.tuple(fc.integer({ min: 5, max: 30 }), event), {
      minLength: 20,
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(orders, turns, fc.boolean(), async (order, turns, isRight) => {
        const of = isRight ? content : { ...content, hash: hashOf('another content') };
        await folder.disk.discardPartial(of.hash);
        await folder.disk.openPartial(of);
        const prefix = new VerifiedPrefix(content.chunks);
        const asked: Promise<void>[] = [];
        let done = 0;
        for (const [count, event] of [...turns, [places.length, 'nothing'] as const]) {
          const batch = order.slice(done, done + count);
          await write(batch, of);
          done += batch.length;
          for (const index of batch) prefix.add(index);
          if (event === 'reopen') await folder.disk.openPartial(of);
          if (event === 'hash') await folder.disk.hashAhead(of.hash, prefix.bytes);
          if (event === 'hash and go on') asked.push(folder.disk.hashAhead(of.hash, prefix.bytes));
          if (event === 'flip') flipByte(count * 1000, of);
          if (event === 'write again') await write(batch.slice(0, 1), of);
        }
        const value = hashOf(readFileSync(partialPath(of))) === of.hash ? 'complete' : 'wrong-hash';
        expect(await folder.disk.finishPartial(of)).toEqual({ ok: true, value });
        await Promise.all(asked);
      }),
      { numRuns: 40 },
    );
  });

  it('is not read from the beginning again', async () => {
    await writeHashedAhead();
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'complete' });
    expect(threads.wentOn).toBe(true);
  });

  it('is wrong when its chunks do not make up what was announced', async () => {
    const announced = { ...content, hash: hashOf('another content') };
    await writeHashedAhead(announced);
    expect(await folder.disk.finishPartial(announced)).toEqual({ ok: true, value: 'wrong-hash' });
    expect(threads.wentOn).toBe(true);
  });

  it('is wrong when another process changed what was hashed', async () => {
    await writeHashedAhead();
    flipByte(1000);
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'wrong-hash' });
  });

  it('is wrong when another process changed it between two writes of ours', async () => {
    await folder.disk.openPartial(content);
    await write(allIndexes.slice(0, half));
    await folder.disk.hashAhead(content.hash, halfBytes);
    flipByte(1000);
    await write(allIndexes.slice(half));
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'wrong-hash' });
    expect(threads.wentOn).toBe(false);
  });

  it('is complete when what was hashed was wrong and was put right', async () => {
    await folder.disk.openPartial(content);
    await write(allIndexes.slice(0, half));
    flipByte(1000);
    await folder.disk.hashAhead(content.hash, halfBytes);
    flipByte(1000);
    await write(allIndexes.slice(half));
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'complete' });
  });

  it('is wrong when a late write of ours, with chunks that others announced, went over it', async () => {
    await writeHashedAhead();
    const [first, second] = places;
    if (first === undefined || second === undefined) throw new Error('two chunks');
    const late = bytes.subarray(second.offsetBytes, second.offsetBytes + second.chunk.lengthBytes);
    await folder.disk.writeChunks(content.hash, [
      { offsetBytes: 0, chunk: second.chunk, bytes: new Uint8Array(late) },
    ]);
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'wrong-hash' });
  });

  it('begins anew when it was opened anew, be it another file', async () => {
    await writeHashedAhead();
    rmSync(partialPath());
    await folder.disk.openPartial(content);
    await write(allIndexes.slice(1));
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'wrong-hash' });
    await folder.disk.openPartial(content);
    await write([0]);
    await folder.disk.hashAhead(content.hash, halfBytes);
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'complete' });
    expect(threads.wentOn).toBe(true);
  });

  it('is hashed whole when the thread that had hashed died', async () => {
    await folder.disk.openPartial(content);
    await write(allIndexes.slice(0, half));
    await folder.disk.hashAhead(content.hash, halfBytes);
    threads.replacement = new DiskThreads({ threads: 0 });
    await write(allIndexes.slice(half));
    await folder.disk.hashAhead(content.hash, content.sizeBytes);
    expect(await folder.disk.finishPartial(content)).toEqual({ ok: true, value: 'complete' });
    expect(threads.wentOn).toBe(false);
  });

  it('is left alone when it is small, gone or finished', async () => {
    const small = contentOf(noise(1_000_000));
    await folder.disk.openPartial(small);
    await folder.disk.hashAhead(small.hash, 100_000);
    await folder.disk.openPartial(content);
    await folder.disk.discardPartial(content.hash);
    await folder.disk.hashAhead(content.hash, 100_000);
    expect(threads.calls.some(({ op }) => op === 'hash-ahead')).toBe(false);
  });
});

describe('finishing a partial', () => {
  /** Its hash up to the half, and what it looks like after its first byte was flipped behind the back of that. */
  const hashThenFlip = async () => {
    const access = accessDirectories(folder.root);
    const running = { hashes: new RunningHashes(), key: 'partial' };
    hashAhead(access, content.hash, { fromBytes: 0, untilBytes: halfBytes }, running);
    flipByte(0);
    const hash = running.hashes.take(running.key);
    if (hash === undefined) throw new Error('a hash was begun');
    return { access, hash, ctimeNs: statSync(partialPath(), { bigint: true }).ctimeNs };
  };

  beforeEach(async () => {
    await folder.disk.openPartial(content);
    await write(allIndexes);
  });

  it('reads on where hashing ahead ended, while it is told that nothing changed', async () => {
    const { access, hash, ctimeNs } = await hashThenFlip();
    expect(finishPartial(access, content, { running: hash, soundAtNs: ctimeNs })).toBe('complete');
    access.close();
  });

  it('reads all again when it was another time or another file', async () => {
    const { access, hash, ctimeNs } = await hashThenFlip();
    expect(finishPartial(access, content, { running: hash, soundAtNs: ctimeNs - 1n })).toBe('wrong-hash');
    const other = new RunningHash(hash.inode + 1n);
    other.take(bytes, 0);
    expect(finishPartial(access, content, { running: other, soundAtNs: ctimeNs })).toBe('wrong-hash');
    access.close();
  });

  it('calls nothing wrong that is right when all is read again', async () => {
    flipByte(0);
    const { access, hash, ctimeNs } = await hashThenFlip();
    expect(finishPartial(access, content, { running: hash, soundAtNs: ctimeNs })).toBe('complete');
    access.close();
  });
});

describe('a hash that goes on over several calls', () => {
  it('goes on in the same file only, without a gap', () => {
    const hashes = new RunningHashes();
    hashes.at('file', 1n, 0).take(bytes.subarray(0, 100), 0);
    expect(() => hashes.at('file', 1n, 101)).toThrow();
    expect(() => hashes.at('file', 2n, 100)).toThrow();
    expect(() => hashes.at('other', 1n, 100)).toThrow();
    hashes.at('file', 1n, 100).take(bytes.subarray(50, 200), 50);
    expect(hashes.take('file')?.digest()).toBe(hashOf(bytes.subarray(0, 200)));
    expect(hashes.take('file')).toBeUndefined();
  });

  it('is forgotten when very many were begun after it', () => {
    const hashes = new RunningHashes();
    for (let i = 0; i < 300; i++) hashes.at(`${i}`, 1n, 0).take(bytes.subarray(0, 10), 0);
    expect(() => hashes.at('0', 1n, 10)).toThrow();
    expect(hashes.at('299', 1n, 10).positionBytes).toBe(10);
  });
});

describe('what is watched of a partial', () => {
  it('is hashed in pieces, each once', () => {
    const partial = new WatchedPartial(1n);
    const mebibyte = 2 ** 20;
    expect(partial.soundAtNs).toBeUndefined();
    expect(partial.extend(100 * mebibyte)).toEqual({ fromBytes: 0, untilBytes: 64 * mebibyte });
    expect(partial.extend(100 * mebibyte)).toEqual({ fromBytes: 64 * mebibyte, untilBytes: 100 * mebibyte });
    expect(partial.extend(100 * mebibyte)).toBeUndefined();
    expect(partial.soundAtNs).toBe(1n);
  });

  it('is sound after writes behind what was hashed, one after another', () => {
    const partial = new WatchedPartial(1n);
    partial.extend(100);
    partial.beginWrite(100)({ beforeNs: 1n, afterNs: 2n });
    partial.beginWrite(200)({ beforeNs: 2n, afterNs: 3n });
    expect(partial.soundAtNs).toBe(3n);
  });

  it('is not sound after a write into what was hashed, before or behind its being hashed', () => {
    const written = new WatchedPartial(1n);
    written.extend(100);
    written.beginWrite(99)({ beforeNs: 1n, afterNs: 2n });
    expect(written.soundAtNs).toBeUndefined();
    expect(written.extend(200)).toBeUndefined();
    const writing = new WatchedPartial(1n);
    const end = writing.beginWrite(99);
    expect(writing.extend(100)).toBeUndefined();
    end({ beforeNs: 1n, afterNs: 2n });
    expect(writing.soundAtNs).toBeUndefined();
  });

  it('is not sound while something is written, nor after a write of which nothing is known', () => {
    const partial = new WatchedPartial(1n);
    partial.extend(100);
    const end = partial.beginWrite(100);
    expect(partial.soundAtNs).toBeUndefined();
    end(undefined);
    expect(partial.soundAtNs).toBeUndefined();
  });
});
