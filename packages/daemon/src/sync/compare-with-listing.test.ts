import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { contentThere } from '../core/preview/first-merge.js';
import { asPath } from '../core/testing/entries.js';
import { contentOf, makeTestFolder, noise, type TestFolder } from '../folder/folder-fixture.js';
import { compareWithListing } from './compare-with-listing.js';

let folder: TestFolder;
beforeEach(() => {
  folder = makeTestFolder();
});
afterEach(() => folder.remove());

it('counts what two folders have in common, and changes nothing', async () => {
  const large = noise(1_500_000);
  folder.write('same', 'same');
  folder.write('d/edited', 'here!');
  folder.write('d/large', large);
  folder.write('mine', 'x');
  folder.write('cafe\u0301', 'x');
  symlinkSync('same', join(folder.root, 'link'));
  const before = folder.tree();
  const there = new Map(
    [
      ['same', contentOf('same')] as const,
      ['d/edited', contentOf('there')] as const,
      ['d/large', contentOf(large)] as const,
      ['caf\u00e9', contentOf('x')] as const,
      ['theirs', contentOf('y')] as const,
    ].flatMap(([path, content]) => {
      const known = contentThere(content);
      return known === undefined ? [] : [[asPath(path), known] as const];
    }),
  );
  const preview = await compareWithListing(folder.disk, there, new AbortController().signal);
  expect(preview).toEqual({
    equal: 2,
    onlyHere: 2,
    onlyThere: 2,
    different: 1,
    differentPaths: ['d/edited'],
  });
  expect(folder.tree()).toEqual(before);
});

it('can be given up', async () => {
  await expect(compareWithListing(folder.disk, new Map(), AbortSignal.abort())).rejects.toThrow();
});
