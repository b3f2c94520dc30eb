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

  it('keeps the rows that were set or asked for last', () => {
    const cache = new RowCache(4);
    for (const path of ['a', 'b', 'c', 'd']) cache.set(row(path));
    cache.get('a' as RelativePath);
    cache.set(row('e'));
    expect(pathsIn(cache, ['a', 'e', 'b'])).toEqual(['a', 'e']);
  });

  it('answers with what was set last, however old the row is', () => {
    const cache = new RowCache(4);
    for (const path of ['a', 'b', 'c']) cache.set(row(path));
    const newer = row('a', 1);
    cache.set(newer);
    expect(cache.get(newer.path)).toBe(newer);
    for (const path of ['b', 'c']) cache.set(row(path));
    expect(cache.get(newer.path)).toBe(newer);
    cache.delete(newer.path);
    expect(cache.get(newer.path)).toBeUndefined();
  });

  it('keeps fewer rows of many chunks, and none of very many', () => {
    const cache = new RowCache(12);
    for (const path of ['a', 'b', 'c', 'd', 'e']) cache.set(row(path, 16));
    expect(pathsIn(cache, ['e', 'd', 'c', 'b', 'a'])).toEqual(['e', 'd', 'c']);
    cache.set(row('e', 65));
    expect(pathsIn(cache, ['e'])).toEqual([]);
  });

  it('is empty after it was cleared, and holds as much as before', () => {
    const cache = new RowCache(4);
    for (const path of ['a', 'b', 'c']) cache.set(row(path));
    cache.clear();
    expect(pathsIn(cache, ['a', 'b', 'c'])).toEqual([]);
    for (const path of ['a', 'b', 'c', 'd']) cache.set(row(path));
    expect(pathsIn(cache, ['d', 'c', 'b'])).toEqual(['d', 'c', 'b']);
  });
});
