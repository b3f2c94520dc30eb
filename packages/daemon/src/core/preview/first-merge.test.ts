import { describe, expect, it } from 'vitest';
import type { RelativePath } from '../model/relative-path.js';
import { asPath, deleted, directory, file, hashOf, symlink } from '../testing/entries.js';
import { type ContentThere, contentThere, FirstMerge } from './first-merge.js';

const there = (contents: Record<string, ContentThere | undefined>) =>
  new Map(
    Object.entries(contents).flatMap(([path, content]): [RelativePath, ContentThere][] =>
      content === undefined ? [] : [[asPath(path), content]],
    ),
  );

describe('a first merge', () => {
  it('counts what is equal, different, and on one side alone', () => {
    const merge = new FirstMerge(
      there({
        equal: contentThere(file('same')),
        edited: contentThere(file('1234')),
        longer: contentThere(file('long')),
        link: contentThere(symlink('a')),
        'other-link': contentThere(symlink('a')),
        theirs: contentThere(file('x')),
        'theirs-too': contentThere(symlink('x')),
      }),
    );
    expect(merge.standsHere(asPath('mine'), { type: 'file', sizeBytes: 1 })).toBe('told');
    expect(merge.standsHere(asPath('equal'), { type: 'file', sizeBytes: 4 })).toBe('to-hash');
    expect(merge.standsHere(asPath('edited'), { type: 'file', sizeBytes: 4 })).toBe('to-hash');
    expect(merge.standsHere(asPath('longer'), { type: 'file', sizeBytes: 5 })).toBe('told');
    expect(merge.standsHere(asPath('link'), { type: 'symlink', target: 'a' })).toBe('told');
    expect(merge.standsHere(asPath('other-link'), { type: 'symlink', target: 'b' })).toBe('told');
    merge.hashed(asPath('equal'), hashOf('same'));
    merge.hashed(asPath('edited'), hashOf('4321'));
    expect(merge.result()).toEqual({
      equal: 2,
      onlyHere: 1,
      onlyThere: 2,
      different: 3,
      differentPaths: ['longer', 'other-link', 'edited'],
    });
  });

  it('takes what cannot be read for different', () => {
    const merge = new FirstMerge(there({ f: contentThere(file('x')) }));
    merge.standsHere(asPath('f'), { type: 'file', sizeBytes: 1 });
    merge.hashed(asPath('f'), undefined);
    expect(merge.result()).toMatchObject({ equal: 0, different: 1, onlyThere: 0 });
  });

  it('names only some of very many', () => {
    const merge = new FirstMerge(
      there(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, contentThere(symlink('a'))]))),
    );
    for (let i = 0; i < 30; i++) merge.standsHere(asPath(`f${i}`), { type: 'symlink', target: 'b' });
    expect(merge.result()).toMatchObject({ different: 30, differentPaths: { length: 20 } });
  });
});

it('only files and symlinks are compared', () => {
  expect([contentThere(directory), contentThere(deleted)]).toEqual([undefined, undefined]);
});
