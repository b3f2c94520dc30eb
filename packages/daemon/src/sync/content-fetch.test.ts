import { describe, expect, test } from 'vitest';
import type { ContentHash, DeviceKey, FolderId } from '../core/model/identifiers.js';
import { asPath, hashOf } from '../core/testing/entries.js';
import { type ChunkSupplier, ContentFetch, type FileContent } from './content-fetch.js';

const KIB = 1024;

/** A file of one chunk: it needs no disk until it is there. */
const content = (name: string): FileContent => {
  const hash = hashOf(name);
  return { type: 'file', sizeBytes: 700 * KIB, hash, chunks: [{ hash, lengthBytes: 700 * KIB }] };
};

interface Asked {
  readonly chunks: readonly ContentHash[];
  readonly reply: Parameters<ChunkSupplier['request']>[2];
  readonly signal: AbortSignal | undefined;
}

function fetchFrom() {
  const asked: Asked[] = [];
  const done: string[] = [];
  const notHere = new Proxy(
    {},
    {
      get: () => {
        throw new Error('not needed here');
      },
    },
  ) as never;
  const fetch = new ContentFetch({
    folder: 'f' as FolderId,
    index: notHere,
    disk: notHere,
    blake3: () => new Uint8Array(32),
    onDone: ({ hash }) => done.push(hash),
    isBehind: () => false,
    onWrongBytes: () => {},
  });
  fetch.supplierUp('peer' as DeviceKey, {
    request: (_folder, chunks, reply, signal) => asked.push({ chunks, reply, signal }),
  });
  return { fetch, asked, done };
}

describe('a content that is not wanted any more', () => {
  test('is cancelled at the peer, and makes room for what is wanted', async () => {
    const { fetch, asked } = fetchFrom();
    // Together as much as may be on its way at once.
    const names = Array.from({ length: 140 }, (_, i) => `file-${i}`);
    for (const name of names) fetch.start(asPath(name), content(name));
    await Promise.resolve();
    const before = asked.length;
    fetch.start(asPath('other'), content('other'));
    await Promise.resolve();
    expect(asked).toHaveLength(before);
    for (const name of names) fetch.cancel(content(name).hash);
    await Promise.resolve();
    expect(asked.slice(0, before).every(({ signal }) => signal?.aborted)).toBe(true);
    expect(asked.slice(before).flatMap(({ chunks }) => chunks)).toEqual([content('other').hash]);
    expect(asked.at(-1)?.signal?.aborted).toBe(false);
  });

  test('whose answer comes all the same is thrown away', async () => {
    const { fetch, asked, done } = fetchFrom();
    fetch.start(asPath('a'), content('a'));
    await Promise.resolve();
    fetch.cancel(content('a').hash);
    let isReleased = false;
    asked[0]?.reply.chunk(0, new Uint8Array(700 * KIB), () => {
      isReleased = true;
    });
    expect(isReleased).toBe(true);
    expect(done).toEqual([]);
  });

  test('does not take with it what came in the same request and is wanted', async () => {
    const { fetch, asked } = fetchFrom();
    const small = (name: string): FileContent => {
      const hash = hashOf(name);
      return { type: 'file', sizeBytes: 10, hash, chunks: [{ hash, lengthBytes: 10 }] };
    };
    for (const name of ['a', 'b']) fetch.start(asPath(name), small(name));
    await Promise.resolve();
    expect(asked).toHaveLength(1);
    fetch.cancel(small('a').hash);
    expect(asked[0]?.signal?.aborted).toBe(false);
    fetch.cancel(small('b').hash);
    expect(asked[0]?.signal?.aborted).toBe(true);
  });
});

test('what is given up, all of it, ends as what nobody has, and is cancelled at the peer', async () => {
  const { fetch, asked, done } = fetchFrom();
  for (const name of ['a', 'b']) fetch.start(asPath(name), content(name));
  await Promise.resolve();
  fetch.giveUpAll();
  expect(done).toEqual([content('a').hash, content('b').hash]);
  expect(fetch.active).toBe(0);
  expect(asked.every(({ signal }) => signal?.aborted)).toBe(true);
});
