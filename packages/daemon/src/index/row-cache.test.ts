import { describe, expect, it } from 'vitest';
import type { ContentHash, DeviceKey, IncarnationId } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { IndexRow } from '../core/ports/content-index.js';
import { RowCache } from './row-cache.js';

const hash = '11'.repeat(32) as ContentHash;

function row(path: string, chunkCount = 0): IndexRow {
  const stamp = { found: false, physicalMs: 1, counter: 0, incarnation: '00000000000000aa' as IncarnationId };
  const chunks = Array.from({ length: chunkCount }, () => ({ hash, lengthBytes: 1 }));
  const version = {
    content: { type: 'file' as const, sizeBytes: chunkCount, hash, chunks },
    vector: new Map(),
    stamp,
    replaced: [],
    author: 'ME' as DeviceKey,
  };
  const known = {
    path: path as RelativePath,
    version,
    metadata: { mtimeNs: 0n, executable: false, stamp },
  };
  return {
    path: known.path,
    sequence: 1,
    known,
    held: undefined,
    source: undefined,
    conflictOf: undefined,
  };
}

describe('the row cache', () => {
  const pathsIn = (cache: RowCache, paths: readonly string[]) =>
    paths.filter((path) => cache.get(path as RelativePath) !== undefined);

  it('keeps the rows that were set last', () => {
    const cache = new RowCache(3);
    for (const path of ['a', 'b', 'c', 'a', 'd']) cache.set(row(path));
    expect(pathsIn(cache, ['a', 'b', 'c', 'd'])).toEqual(['a', 'c', 'd']);
  });

  it('keeps fewer rows of many chunks, and none of very many', () => {
    const cache = new RowCache(8);
    for (const path of ['a', 'b', 'c', 'd']) cache.set(row(path, 16));
    expect(pathsIn(cache, ['a', 'b', 'c', 'd'])).toEqual(['c', 'd']);
    cache.set(row('d', 65));
    expect(pathsIn(cache, ['d'])).toEqual([]);
  });

  it('takes back the weight of what it forgets', () => {
    const cache = new RowCache(2);
    for (let round = 0; round < 10; round++) {
      cache.set(row('a', 8));
      cache.delete('a' as RelativePath);
      cache.set(row('b', round % 3));
    }
    cache.clear();
    cache.set(row('a'));
    cache.set(row('b'));
    expect(pathsIn(cache, ['a', 'b'])).toEqual(['a', 'b']);
  });
});
