import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RelativePath } from '../../packages/daemon/src/core/model/relative-path.js';
import type {
  AreaPath,
  DiskStep,
  FileStat,
  FolderDisk,
  StepPath,
  StepResult,
} from '../../packages/daemon/src/core/ports/folder-disk.js';
import { contentOf, hashOf, makeTestFolder, noise } from '../../packages/daemon/src/folder/folder-fixture.js';
import { MemoryFileSystem } from './memory-file-system.js';
import { MemoryFolderDisk } from './memory-folder-disk.js';

const MTIME_NS = 1_600_000_000_123_456_000n;

function memoryFiles(): MemoryFileSystem {
  const files = new MemoryFileSystem({ nowMs: () => 1_700_000_000_000 });
  for (const path of ['.landropic', '.landropic/tmp', '.landropic/history']) files.makeDirectory(path, 0o700);
  return files;
}

/** The two disks side by side: each is asked the same, and has to say the same. */
class BothDisks {
  readonly real = makeTestFolder();
  readonly files = memoryFiles();
  readonly memory = new MemoryFolderDisk(this.files);

  write(path: string, text: string): void {
    this.real.write(path, text);
    this.files.createFile(path, Buffer.from(text), 0o644);
  }

  async compare<T>(ask: (disk: FolderDisk) => Promise<T>): Promise<unknown> {
    const fromMemory = comparable(await ask(this.memory));
    expect(fromMemory).toEqual(comparable(await ask(this.real.disk)));
    return fromMemory;
  }

  async run(step: DiskStep): Promise<void> {
    await this.compare((disk) => disk.run([[step]]));
  }

  async tree(): Promise<void> {
    for (const directory of ['', 'd', 'd/e', 'm']) {
      await this.compare(async (disk) => {
        const listed = await disk.list(directory as RelativePath);
        if (!listed.ok) return listed;
        return [...listed.value.entries].sort((a, b) => (a.name < b.name ? -1 : 1));
      });
    }
  }
}

/** What both have in common: not the numbers of inodes, nor the present time. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (ArrayBuffer.isView(value) || typeof value !== 'object' || value === null) return value;
  const known = value as Record<string, unknown>;
  if ('ctimeNs' in known) {
    const { type, sizeBytes, mtimeNs, mode, links } = value as FileStat;
    const isSet = mtimeNs === MTIME_NS;
    if (type === 'directory') return { type };
    return { type, sizeBytes, isSet, links, mode: type === 'symlink' ? 0 : mode };
  }
  return Object.fromEntries(
    Object.entries(known)
      .filter(([key]) => key !== 'message')
      .map(([key, item]) => [key, comparable(item)]),
  );
}

const paths = fc.constantFrom(
  'a',
  'b',
  'd',
  'd/a',
  'd/e',
  'd/e/a',
  'm',
  'm/x',
  'a/x',
  '.landropic/tmp',
  '..',
);
const areas = fc.constantFrom('tmp/t', 'tmp/u', 'history/h/a', 'history/h', 'tmp');
const entry = paths.map((path) => path as RelativePath);
const area = areas.map((path) => path as AreaPath);
const temps = fc.constantFrom('tmp/t' as AreaPath, 'tmp/u' as AreaPath);
const HISTORY = ['history/h', 'history/h/a', 'history/a/b'] as AreaPath[];
const at: fc.Arbitrary<StepPath> = fc.oneof(
  entry.map((path) => ({ entry: path })),
  area.map((path) => ({ area: path })),
);
const mode = fc.constantFrom(0o600, 0o644, 0o755);
const steps: fc.Arbitrary<DiskStep> = fc.oneof(
  fc.record({
    op: fc.constant('write-temp' as const),
    temp: temps,
    bytes: fc.constantFrom(Buffer.from('one'), Buffer.from('another')),
    mtimeNs: fc.constant(MTIME_NS),
    mode,
  }),
  fc.record({
    op: fc.constant('copy-to-temp' as const),
    from: entry,
    hash: fc.constantFrom(hashOf('one'), hashOf('another')),
    temp: fc.constant('tmp/u' as AreaPath),
    mtimeNs: fc.constant(MTIME_NS),
    mode,
  }),
  fc.record({ op: fc.constant('link-temp' as const), temp: temps, to: entry }),
  fc.record({ op: fc.constant('rename' as const), from: at, to: at }),
  fc.record({ op: fc.constant('expect' as const), at, stat: fc.constant(undefined) }),
  fc.record({ op: fc.constant('make-area' as const), area: fc.constantFrom(...HISTORY) }),
  fc.record({ op: fc.constant('mkdir' as const), path: entry }),
  fc.record({ op: fc.constant('rmdir' as const), path: entry }),
  fc.record({ op: fc.constant('symlink' as const), path: entry, target: fc.constant('elsewhere') }),
  fc.record({ op: fc.constant('unlink-area' as const), area: fc.constant('tmp/t' as AreaPath) }),
  fc.record({
    op: fc.constant('set-metadata' as const),
    path: entry,
    mtimeNs: fc.constant(MTIME_NS),
    mode: fc.constantFrom(0o640, 0o711),
  }),
  fc.record({ op: fc.constant('stat' as const), at }),
);

describe('the disk in memory', () => {
  test('answers every step as the real one does, and leaves the same behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 25 }), async (sequence) => {
        const both = new BothDisks();
        try {
          mkdirSync(join(both.real.root, 'd'));
          both.files.makeDirectory('d');
          both.write('a', 'one');
          both.write('d/a', 'another');
          for (const step of sequence) await both.run(step);
          await both.tree();
        } finally {
          await both.real.remove();
        }
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  test('keeps partials, hashes and reads as the real one does', async () => {
    const both = new BothDisks();
    const bytes = noise(300_000, 3);
    const content = contentOf(bytes);
    let offset = 0;
    const writes = content.chunks.map((chunk) => {
      const from = offset;
      offset += chunk.lengthBytes;
      return {
        offsetBytes: from,
        chunk,
        bytes: () => Uint8Array.from(bytes.subarray(from, from + chunk.lengthBytes)),
      };
    });
    await both.compare((disk) => disk.openPartial(content));
    const half = writes.slice(1);
    await both.compare((disk) =>
      disk.writeChunks(
        content.hash,
        half.map((write) => ({ ...write, bytes: write.bytes() })),
      ),
    );
    await both.compare((disk) => disk.finishPartial(content));
    await both.compare((disk) => disk.openPartial(content));
    const wrong = writes
      .slice(0, 1)
      .map((write) => ({ ...write, bytes: new Uint8Array(write.chunk.lengthBytes) }));
    await both.compare((disk) => disk.writeChunks(content.hash, wrong));
    both.real.write('f', bytes);
    both.files.createFile('f', bytes, 0o644);
    const copies = writes.map(({ offsetBytes, chunk }) => ({
      from: { path: 'f' as RelativePath, offsetBytes },
      offsetBytes,
      chunk,
    }));
    await both.compare((disk) => disk.copyChunks(content.hash, copies));
    await both.compare((disk) => disk.finishPartial(content));
    await both.compare((disk) => disk.listPartials());
    await both.compare((disk) =>
      disk.readChunks(copies.map((copy) => ({ ...copy.from, chunk: copy.chunk }))),
    );
    await both.compare(async (disk) => {
      const [stat] = await disk.stat(['f' as RelativePath]);
      if (stat?.ok !== true || stat.value === undefined) throw new Error('no file');
      return disk.hash('f' as RelativePath, stat.value, new AbortController().signal);
    });
    await both.run({
      op: 'partial-to-temp',
      hash: content.hash,
      temp: 'tmp/t' as AreaPath,
      mtimeNs: MTIME_NS,
      mode: 0o755,
    });
    await both.run({ op: 'link-temp', temp: 'tmp/t' as AreaPath, to: 'g' as RelativePath });
    await both.tree();
    await both.real.remove();
  });
});

describe('a loss of power', () => {
  const random = (values: readonly number[]) => {
    let next = 0;
    return () => values[next++ % values.length] ?? 0;
  };
  const taken = (results: readonly StepResult[]) => results.every(({ ok }) => ok);

  test('takes names that were not flushed, and keeps those that were', () => {
    const files = memoryFiles();
    files.makeDirectory('kept');
    files.flushAll();
    files.flush(files.createFile('kept/a', Buffer.from('a'), 0o644));
    files.flushDirectory(files.directoryAt('kept'));
    files.createFile('lost', Buffer.from('b'), 0o644);
    files.losePower({ random: random([0]), order: 'journal' });
    expect([...files.directoryAt('').entries.keys()].sort()).toEqual(['.landropic', 'kept']);
    expect(files.lookUp('kept/a')?.bytes.toString()).toBe('a');
  });

  test('never keeps that a file was taken away from one name and not that it came to another', async () => {
    for (let seed = 0; seed < 32; seed++) {
      const files = memoryFiles();
      const disk = new MemoryFolderDisk(files);
      files.createFile('a', Buffer.from('a'), 0o644);
      files.flushAll();
      const [results] = await disk.run([
        [
          { op: 'rename', from: { entry: 'a' as RelativePath }, to: { area: 'history/a' as AreaPath } },
          { op: 'rename', from: { area: 'history/a' as AreaPath }, to: { entry: 'b' as RelativePath } },
        ],
      ]);
      expect(taken(results ?? [])).toBe(true);
      const bits = [0, 1, 2, 3, 4].map((bit) => ((seed >> bit) & 1 ? 0.1 : 0.9));
      files.losePower({ random: random(bits), order: 'any' });
      const places = ['a', 'b', '.landropic/history/a'].filter((path) => files.lookUp(path) !== undefined);
      expect(places.length).toBeGreaterThan(0);
    }
  });

  test('may leave a file that was not flushed empty', () => {
    const files = memoryFiles();
    const file = files.createFile('a', Buffer.from('first'), 0o644);
    files.flushAll();
    files.write(file, Buffer.from('second'));
    files.losePower({ random: random([0.8]), order: 'any' });
    expect(file.bytes.length).toBe(0);
  });
});
