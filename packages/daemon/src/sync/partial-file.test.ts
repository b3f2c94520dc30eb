import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChunkRef } from '../core/model/file-entry.js';
import type { ContentHash } from '../core/model/identifiers.js';
import type { FolderDisk, WriteChunk } from '../core/ports/folder-disk.js';
import { PartialFile } from './partial-file.js';

const STEP_BYTES = 10;

function chunksOf(lengths: readonly number[]): ChunkRef[] {
  return lengths.map((lengthBytes, i) => ({ hash: `${i}`.padStart(64, '0') as ContentHash, lengthBytes }));
}

/** What the disk was asked to hash, and how far the file was right by then. */
interface Asked {
  readonly untilBytes: number;
  readonly rightBytes: number;
  answer(error?: Error): void;
}

/** A disk of which a test decides what it has already, what it can copy, and when it has hashed. */
class FakeDisk {
  readonly asked: Asked[] = [];
  private readonly right = new Set<number>();

  constructor(
    private readonly chunks: readonly ChunkRef[],
    private readonly present: ReadonlySet<number>,
    private readonly copyable: ReadonlySet<number> = new Set(),
  ) {}

  get rightBytes(): number {
    let bytes = 0;
    for (const { lengthBytes } of this.chunks) {
      if (!this.right.has(bytes)) return bytes;
      bytes += lengthBytes;
    }
    return bytes;
  }

  async openPartial() {
    let offsetBytes = 0;
    for (const [i, { lengthBytes }] of this.chunks.entries()) {
      if (this.present.has(i)) this.right.add(offsetBytes);
      offsetBytes += lengthBytes;
    }
    return { ok: true, value: { present: this.chunks.map((_, i) => this.present.has(i)) } } as const;
  }

  async copyChunks(_hash: ContentHash, copies: readonly { offsetBytes: number; chunk: ChunkRef }[]) {
    return copies.map(({ offsetBytes, chunk }) => {
      const isCopied = this.copyable.has(this.chunks.indexOf(chunk));
      if (isCopied) this.right.add(offsetBytes);
      return isCopied;
    });
  }

  async writeChunks(_hash: ContentHash, writes: readonly WriteChunk[]) {
    await Promise.resolve();
    for (const { offsetBytes } of writes) this.right.add(offsetBytes);
    return writes.map(() => ({ ok: true, value: 'written' }) as const);
  }

  hashAhead(_hash: ContentHash, untilBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const answer = (error?: Error) => (error === undefined ? resolve() : reject(error));
      this.asked.push({ untilBytes, rightBytes: this.rightBytes, answer });
    });
  }

  async finishPartial() {
    return { ok: true, value: 'complete' } as const;
  }
}

function partialOf(disk: FakeDisk, chunks: readonly ChunkRef[], hashAheadMinBytes = 0): PartialFile {
  const sizeBytes = chunks.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  const content = { type: 'file', sizeBytes, hash: 'f'.repeat(64) as ContentHash, chunks } as const;
  const index = { heldChunk: () => [{ path: 'held', offsetBytes: 0 }] };
  return new PartialFile(
    content,
    { disk: disk as unknown as FolderDisk, index: index as never },
    { hashAheadMinBytes, hashAheadStepBytes: STEP_BYTES },
  );
}

async function writeAll(partial: PartialFile, wanted: readonly ChunkRef[]): Promise<unknown> {
  let outcome: unknown;
  for (const chunk of wanted) outcome = await partial.write(chunk, new Uint8Array(chunk.lengthBytes));
  return outcome;
}

/** Lets what follows from an answer happen. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a partial file', () => {
  it('has hashed what is right from its beginning on, in steps, one at a time, whatever the order', async () => {
    const files = fc
      .array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 30 })
      .chain((lengths) => {
        const some = fc.subarray([...lengths.keys()]);
        const order = fc.shuffledSubarray([...lengths.keys()], { minLength: lengths.length });
        return fc.tuple(fc.constant(lengths), some, some, order, fc.infiniteStream(fc.boolean()));
      });
    await fc.assert(
      fc.asyncProperty(files, async ([lengths, present, copyable, order, answers]) => {
        const chunks = chunksOf(lengths);
        const disk = new FakeDisk(chunks, new Set(present), new Set(copyable));
        const partial = partialOf(disk, chunks);
        const wanted = new Set(await partial.prepare());
        let answered = 0;
        for (const index of order) {
          const chunk = chunks[index];
          if (chunk === undefined || !wanted.has(chunk)) continue;
          await partial.write(chunk, new Uint8Array(chunk.lengthBytes));
          if (answers.next().value) {
            for (; answered < disk.asked.length; answered++) disk.asked[answered]?.answer();
            await settle();
          }
          expect(disk.asked.length - answered).toBeLessThanOrEqual(1);
        }
        let hashedBytes = 0;
        for (const { untilBytes, rightBytes } of disk.asked) {
          expect(untilBytes).toBeLessThanOrEqual(rightBytes);
          expect(untilBytes - hashedBytes).toBeGreaterThanOrEqual(STEP_BYTES);
          hashedBytes = untilBytes;
        }
        expect(partial.bytesDone).toBe(partial.content.sizeBytes);
      }),
    );
  });

  it('counts what lies there and what was copied', async () => {
    const chunks = chunksOf([5, 5, 5, 5, 5]);
    const disk = new FakeDisk(chunks, new Set([0, 1]), new Set([2, 3]));
    const partial = partialOf(disk, chunks);
    const preparing = partial.prepare();
    await settle();
    expect(disk.asked.map(({ untilBytes }) => untilBytes)).toEqual([10]);
    expect(await preparing).toEqual(chunks.slice(4));
    disk.asked[0]?.answer();
    await settle();
    expect(disk.asked.map(({ untilBytes }) => untilBytes)).toEqual([10, 20]);
  });

  it('asks for the next step when one is done, and for none when all is there', async () => {
    const chunks = chunksOf([5, 5, 5, 5, 5, 5, 5, 5]);
    const disk = new FakeDisk(chunks, new Set());
    const partial = partialOf(disk, chunks);
    const wanted = await partial.prepare();
    await writeAll(partial, wanted.slice(0, 6));
    expect(disk.asked.map(({ untilBytes }) => untilBytes)).toEqual([10]);
    disk.asked[0]?.answer();
    await settle();
    expect(disk.asked.map(({ untilBytes }) => untilBytes)).toEqual([10, 30]);
    expect(await writeAll(partial, wanted.slice(6))).toBe('complete');
    disk.asked[1]?.answer();
    await settle();
    expect(disk.asked.length).toBe(2);
  });

  it('is finished whatever became of hashing ahead', async () => {
    const chunks = chunksOf([10, 10, 10, 10]);
    const disk = new FakeDisk(chunks, new Set());
    const partial = partialOf(disk, chunks);
    const wanted = await partial.prepare();
    await writeAll(partial, wanted.slice(0, 1));
    disk.asked[0]?.answer(new Error('the thread died'));
    await settle();
    expect(await writeAll(partial, wanted.slice(1))).toBe('complete');
    expect(disk.asked.length).toBe(1);
    expect(await partial.finish()).toBe('complete');
  });

  it('is hashed at its end when it is small', async () => {
    const chunks = chunksOf([10, 10, 10, 10]);
    const disk = new FakeDisk(chunks, new Set());
    const partial = partialOf(disk, chunks, 41);
    await writeAll(partial, await partial.prepare());
    expect(disk.asked).toEqual([]);
  });

  it('holds few copies of a chunk that belongs to very many places', async () => {
    const [zeros] = chunksOf([1_000_000]);
    if (zeros === undefined) throw new Error('a chunk');
    const chunks = Array.from({ length: 500 }, () => zeros);
    const written = new Set<number>();
    let heldBytes = 0;
    const disk = {
      openPartial: async () => ({ ok: true, value: { present: chunks.map(() => false) } }),
      writeChunks: async (_hash: ContentHash, writes: readonly WriteChunk[]) => {
        heldBytes = Math.max(heldBytes, new Set(writes.map(({ bytes }) => bytes.buffer)).size * 1_000_000);
        for (const { offsetBytes } of writes) written.add(offsetBytes);
        return writes.map(() => ({ ok: true, value: 'written' }));
      },
      hashAhead: async () => {},
    };
    const content = {
      type: 'file',
      sizeBytes: 500_000_000,
      hash: 'f'.repeat(64) as ContentHash,
      chunks,
    } as const;
    const file = new PartialFile(content, {
      index: { heldChunk: () => [] },
      disk: disk as unknown as FolderDisk,
    });
    expect(await file.prepare()).toEqual([zeros]);
    const before = process.memoryUsage().arrayBuffers;
    const writing = file.write(zeros, new Uint8Array(1_000_000));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    expect(await writing).toBe('complete');
    expect(written.size).toBe(500);
    expect(heldBytes).toBeLessThanOrEqual(4_000_000);
  });
});
