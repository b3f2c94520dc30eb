import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { FileStat } from '../../core/ports/folder-disk.js';
import { accessDirectories } from './access-directories.js';
import type { DirectoryAccess } from './directory-access.js';
import { attempt } from './disk-failure.js';
import { hashFile } from './file-hashing.js';
import { statEntryAt } from './parallel-hashing.fixture.js';
import { hashInParts, type PartHashing } from './parallel-hashing.js';
import { chunkRange, hashRange } from './range-hashing.js';
import { RunningHashes } from './running-hashes.js';

const path = 'file' as RelativePath;
let root = '';

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'landropic-hash-'));
  mkdirSync(join(root, '.landropic'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Bytes that repeat after `period`, so that chunk ends are found at many distances, or nowhere at all. */
function bytesOf(sizeBytes: number, period: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let state = seed | 1;
  for (let i = 0; i < sizeBytes; i++) {
    if (i >= period) bytes[i] = bytes[i - period] ?? 0;
    else {
      state = Math.imul(state, 1_103_515_245) + 12_345;
      bytes[i] = state >>> 16;
    }
  }
  return bytes;
}

function hashingOf(access: DirectoryAccess, stat: FileStat): PartHashing {
  const running = { hashes: new RunningHashes(), key: 'file' };
  return {
    chunkFront: async (range) => attempt(path, () => chunkRange(access, path, stat, range)),
    hashBack: async (range) => attempt(path, () => hashRange(access, path, stat, range, running)),
    chunkBack: async (range) => attempt(path, () => chunkRange(access, path, stat, range, running)),
    isAborted: () => false,
  };
}

async function hashBothWays(bytes: Buffer) {
  writeFileSync(join(root, path), bytes);
  const access = accessDirectories(root);
  const stat = statEntryAt(access, path);
  const atOnce = hashFile(access, path, stat, () => false);
  const inParts = await hashInParts(stat.sizeBytes, hashingOf(access, stat));
  access.close();
  return { atOnce, inParts };
}

describe('hashing a file in parts', () => {
  it('finds what hashing it at once finds', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6_000_000 }),
        fc.constantFrom(1, 70_000, 1_500_000, 6_000_000),
        fc.integer(),
        async (sizeBytes, period, seed) => {
          const { atOnce, inParts } = await hashBothWays(bytesOf(sizeBytes, period, seed));
          expect(inParts).toEqual({ ok: true, value: atOnce });
        },
      ),
      { numRuns: 25 },
    );
  });

  it('does so over many calls', { timeout: 60_000 }, async () => {
    const { atOnce, inParts } = await hashBothWays(bytesOf(70_000_000, 70_000_000, 1));
    expect(inParts).toEqual({ ok: true, value: atOnce });
  });

  it.each(['hashBack', 'chunkFront', 'chunkBack'] as const)(
    'finds nothing where the file changed in %s, and asks for no more',
    async (changing) => {
      writeFileSync(join(root, path), bytesOf(60_000_000, 1_500_000, 1));
      const access = accessDirectories(root);
      const hashing = hashingOf(access, statEntryAt(access, path));
      const changed = { ok: false, error: { code: 'changed-meanwhile', message: '' } } as const;
      let calls = 0;
      const inParts = await hashInParts(60_000_000, {
        ...hashing,
        hashBack: (range) => {
          calls++;
          return hashing.hashBack(range);
        },
        chunkFront: (range) => {
          calls++;
          return hashing.chunkFront(range);
        },
        [changing]: async () => changed,
      });
      access.close();
      expect(inParts).toBe(changed);
      // The back thread begins to chunk when it has hashed the rest: until then each has three calls to make.
      expect(calls).toBeLessThanOrEqual(changing === 'chunkBack' ? 6 : 1);
    },
  );

  it('finds nothing where the file was another one between two calls', async () => {
    writeFileSync(join(root, path), bytesOf(60_000_000, 1_500_000, 1));
    const access = accessDirectories(root);
    const hashing = hashingOf(access, statEntryAt(access, path));
    let calls = 0;
    const inParts = await hashInParts(60_000_000, {
      ...hashing,
      hashBack: async (range) => {
        const piece = await hashing.hashBack(range);
        if (!piece.ok || ++calls < 2) return piece;
        return { ok: true, value: { stat: { ...piece.value.stat, ctimeNs: piece.value.stat.ctimeNs + 1n } } };
      },
    });
    access.close();
    expect(inParts).toMatchObject({ ok: false, error: { code: 'changed-meanwhile' } });
  });

  it('is given up between two calls', async () => {
    writeFileSync(join(root, path), bytesOf(60_000_000, 1_500_000, 1));
    const access = accessDirectories(root);
    const hashing = hashingOf(access, statEntryAt(access, path));
    let calls = 0;
    const inParts = await hashInParts(60_000_000, {
      ...hashing,
      chunkFront: (range) => {
        calls++;
        return hashing.chunkFront(range);
      },
      isAborted: () => calls > 0,
    });
    access.close();
    expect(inParts).toMatchObject({ ok: false, error: { code: 'aborted' } });
    expect(calls).toBe(1);
  });
});
