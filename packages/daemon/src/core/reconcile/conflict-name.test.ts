import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findPathFlaw } from '../model/relative-path.js';
import { asPath, at, entryOf, fakeBlake3, file, stampOf } from '../testing/entries.js';
import { conflictCopyOf } from './conflict-copy.js';
import { conflictName, isConflictName } from './conflict-name.js';

const AUTHOR = 'ABCDEFG-HIJKLMN-OPQRSTU';
/** 2026-03-04 05:06:07 UTC. */
const WHEN = stampOf(Date.UTC(2026, 2, 4, 5, 6, 7, 890));
const nameFor = (path: string, stamp = WHEN, author = AUTHOR) =>
  conflictName(asPath(path), stamp, author, fakeBlake3);
const MARK = /\.sync-conflict-20260304-050607-ABCDEFG-[0-9a-f]{8}/;

describe('conflictName', () => {
  it.each([
    ['a.txt', /^a<mark>\.txt$/],
    ['dir/sub/a.tar.gz', /^dir\/sub\/a\.tar<mark>\.gz$/],
    ['Makefile', /^Makefile<mark>$/],
    ['.bashrc', /^\.bashrc<mark>$/],
    ['.config.json', /^\.config<mark>\.json$/],
    ['dot.', /^dot\.<mark>$/],
    ['d.d/plain', /^d\.d\/plain<mark>$/],
    [`a.${'e'.repeat(40)}`, /^a\.e{40}<mark>$/],
  ])('of %s', (path, pattern) => {
    expect(nameFor(path)).toMatch(new RegExp(pattern.source.replace('<mark>', MARK.source)));
  });

  it('differs by path, stamp and incarnation', () => {
    const names = [
      nameFor('a'),
      nameFor('d/a').slice(2),
      nameFor('a', { ...WHEN, counter: 1 }),
      nameFor('a', { ...WHEN, physicalMs: WHEN.physicalMs + 1 }),
      nameFor('a', { ...WHEN, found: true }),
      nameFor('a', stampOf(WHEN.physicalMs, 'b')),
    ];
    expect(new Set(names).size).toBe(names.length);
  });

  it('cuts the stem at a code point so that the name has 255 bytes at most', () => {
    const name = nameFor(`${'😀'.repeat(63)}.md`);
    expect(new TextEncoder().encode(name).length).toBeLessThanOrEqual(255);
    expect(new TextEncoder().encode(name).length).toBeGreaterThan(250);
    expect(name).toMatch(/^(😀)+\.sync-conflict-.*\.md$/u);
  });

  it('does not grow when copies of copies are made', () => {
    let path = asPath('dir/report.txt');
    for (let i = 0; i < 5; i++) path = nameFor(path, stampOf(WHEN.physicalMs + i));
    expect(path).toMatch(/^dir\/report\.sync-conflict-[^.]*\.txt$/);
    expect(nameFor(nameFor('plain'))).toMatch(/^plain\.sync-conflict-[^.]*$/);
  });

  it('takes no part of a path from an author', () => {
    expect(nameFor('a', WHEN, '../../x')).toMatch(/^a\.sync-conflict-20260304-050607-unknown-[0-9a-f]{8}$/);
  });

  it.each([Number.MAX_SAFE_INTEGER, -1, Number.MIN_SAFE_INTEGER])('has a date even at %d ms', (ms) => {
    expect(nameFor('a', { ...WHEN, found: true, physicalMs: ms })).toMatch(
      /-(19700101-000000|99991231-235959)-/,
    );
  });

  it('is always a path that can be sent', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 });
    const paths = fc
      .array(name, { minLength: 1, maxLength: 60 })
      .map((names) => names.join('/').normalize('NFC'))
      .filter((path) => findPathFlaw(path) === undefined);
    fc.assert(
      fc.property(paths, fc.nat(), (path, ms) => {
        const copy = nameFor(path, stampOf(ms));
        expect(findPathFlaw(copy)).toBeUndefined();
        expect(isConflictName(copy)).toBe(true);
        expect(copy).not.toBe(path);
      }),
    );
  });

  it('moves up where the path would be too long', () => {
    const deep = Array.from({ length: 16 }, () => 'x'.repeat(250)).join('/');
    const path = `${deep}/${'y'.repeat(4096 - deep.length - 1)}`;
    expect(findPathFlaw(path)).toBeUndefined();
    expect(findPathFlaw(nameFor(path))).toBeUndefined();
  });
});

describe('conflictCopyOf', () => {
  it('is a function of the loser alone, whatever else the device knows', () => {
    const loser = entryOf('d/a.txt', { content: file('x'), vector: { a: 1, b: 2 }, at: 5, replaced: ['w'] });
    const copy = conflictCopyOf(loser, fakeBlake3);
    expect(conflictCopyOf({ ...loser }, fakeBlake3)).toEqual(copy);
    expect(copy.version).toEqual({ ...loser.version, replaced: [] });
    expect(copy.metadata).toBe(loser.metadata);
  });

  it('has another path for each version', () => {
    const one = conflictCopyOf(at(file('x'), { a: 1 }, 5), fakeBlake3);
    expect(conflictCopyOf(at(file('y'), { a: 2 }, 6), fakeBlake3).path).not.toBe(one.path);
  });
});
