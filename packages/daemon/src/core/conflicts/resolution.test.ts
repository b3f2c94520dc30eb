import { describe, expect, it } from 'vitest';
import { MAX_NAME_BYTES } from '../model/relative-path.js';
import { asPath } from '../testing/entries.js';
import { type Keep, keptName, planResolution } from './resolution.js';

const original = asPath('d/plan.md');
const [one, two] = [asPath('d/plan.copy-1.md'), asPath('d/plan.copy-2.md')];
const plan = (named: string, keep: Keep, copies = [one]) =>
  planResolution({
    named: asPath(named),
    original,
    copies,
    keep,
    nameFor: (copy) => asPath(`${copy}, kept`),
  });

describe('a conflict is resolved', () => {
  it('for the version that was named', () => {
    expect(plan(original, 'this')).toEqual([{ kind: 'remove', copy: one }]);
    expect(plan(one, 'this')).toEqual([{ kind: 'replace', copy: one, original }]);
  });

  it('for the other one', () => {
    expect(plan(original, 'other')).toEqual([{ kind: 'replace', copy: one, original }]);
    expect(plan(one, 'other')).toEqual([{ kind: 'remove', copy: one }]);
  });

  it('by keeping both, under names of their own', () => {
    for (const named of [original, one])
      expect(plan(named, 'both')).toEqual([{ kind: 'rename', copy: one, to: `${one}, kept` }]);
  });

  it('with several copies, for all of them or for the one that was named', () => {
    const copies = [one, two];
    expect(plan(original, 'this', copies)).toHaveLength(2);
    expect(plan(original, 'both', copies)).toHaveLength(2);
    expect(plan(two, 'other', copies)).toEqual([{ kind: 'remove', copy: two }]);
    expect(plan(two, 'this', copies)).toEqual([{ kind: 'replace', copy: two, original }]);
    expect(plan(original, 'other', copies)).toBeUndefined();
  });
});

describe('the name of a copy that is kept', () => {
  const name = (path: string, device: string, ...taken: string[]) =>
    keptName(asPath(path), device, (each) => taken.includes(each));

  it('says whose it is', () => {
    expect(name('d/plan.md', 'laptop')).toBe('d/plan (laptop).md');
    expect(name('.hidden', 'laptop')).toBe('.hidden (laptop)');
  });

  it('is one that is free', () => {
    expect(name('plan.md', 'b', 'plan (b).md', 'plan (b 2).md')).toBe('plan (b 3).md');
  });

  it('holds nothing that a name cannot', () => {
    expect(name('plan.md', 'a/b\\c:*')).toBe('plan (a-b-c--).md');
    const long = name(`${'ü'.repeat(125)}.md`, 'laptop');
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(MAX_NAME_BYTES);
    expect(long).toMatch(/ü \(laptop\)\.md$/);
  });
});
