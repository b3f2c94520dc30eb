import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RelativePath } from '../../core/model/relative-path.js';
import { accessDirectories } from './access-directories.js';
import { attempt } from './disk-failure.js';
import { hashFile } from './file-hashing.js';
import { statEntryAt } from './parallel-hashing.fixture.js';
import { hashInParts } from './parallel-hashing.js';
import { chunkRange, hashWholeFile } from './range-hashing.js';

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

async function hashBothWays(bytes: Buffer) {
  writeFileSync(join(root, path), bytes);
  const access = accessDirectories(root);
  const stat = statEntryAt(access, path);
  const atOnce = hashFile(access, path, stat, () => false);
  const inParts = await hashInParts(stat.sizeBytes, {
    chunkRange: async (_thread, range) => attempt(path, () => chunkRange(access, path, stat, range)),
    hashWhole: async () => attempt(path, () => hashWholeFile(access, path, stat, () => false)),
    isAborted: () => false,
  });
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
});
