import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIFF_LIMITS, textOf, unifiedDiff } from './line-diff.js';

const text = (...lines: string[]) => lines.map((line) => `${line}\n`).join('');

describe('the difference of two texts', () => {
  it('is nothing where they are equal', () => {
    expect(unifiedDiff(text('a', 'b'), text('a', 'b'))).toBe('');
    expect(unifiedDiff('', '')).toBe('');
  });

  it('is shown as diff -u shows it', () => {
    const before = text('1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12');
    const after = text('1', '2', '3', '4', 'five', '6', '7', '8', '9', '10', '11', '12', '13');
    expect(unifiedDiff(before, after)).toBe(
      text(
        '@@ -2,7 +2,7 @@',
        ...[' 2', ' 3', ' 4', '-5', '+five', ' 6', ' 7', ' 8'],
        '@@ -10,3 +10,4 @@',
        ...[' 10', ' 11', ' 12', '+13'],
      ),
    );
  });

  it('of all and nothing names the line before', () => {
    expect(unifiedDiff('', text('a'))).toBe(text('@@ -0,0 +1,1 @@', '+a'));
    expect(unifiedDiff(text('a'), '')).toBe(text('@@ -1,1 +0,0 @@', '-a'));
  });

  it('shows an end of line that is missing', () => {
    expect(unifiedDiff('a', text('a'))).toContain('\\ No newline at end of file');
  });

  it('of very long texts is not made', () => {
    expect(unifiedDiff('', 'a\n'.repeat(DIFF_LIMITS.lines + 1))).toBeUndefined();
  });

  it('makes the second of the first, by the shortest way', () => {
    const lines = fc.array(fc.constantFrom<string[]>('a', 'b', 'c', ''), { maxLength: 12 });
    fc.assert(
      fc.property(lines, lines, (a, b) => {
        const marked = (unifiedDiff(text(...a), text(...b)) ?? '').split('\n').slice(0, -1);
        const hunks: { from: number; lines: string[] }[] = [];
        for (const line of marked) {
          const head = /^@@ -(\d+),(\d+) /.exec(line);
          if (head !== null) hunks.push({ from: Number(head[1]) - (head[2] === '0' ? 0 : 1), lines: [] });
          else hunks.at(-1)?.lines.push(line);
        }
        const made = [...a];
        for (const { from, lines } of hunks.reverse()) {
          const old = lines.filter((line) => !line.startsWith('+')).map((line) => line.slice(1));
          expect(made.slice(from, from + old.length)).toEqual(old);
          const next = lines.filter((line) => !line.startsWith('-')).map((line) => line.slice(1));
          made.splice(from, old.length, ...next);
        }
        expect(made).toEqual(b);
        const changes = marked.filter((line) => /^[-+]/.test(line)).length;
        expect(changes).toBe(a.length + b.length - 2 * commonLength(a, b));
      }),
    );
  });
});

function commonLength(a: readonly string[], b: readonly string[]): number {
  const [first, ...rest] = a;
  if (first === undefined || b.length === 0) return 0;
  const at = b.indexOf(first);
  const without = commonLength(rest, b);
  return at < 0 ? without : Math.max(without, 1 + commonLength(rest, b.slice(at + 1)));
}

it('text is what decodes and has no control characters', () => {
  expect(textOf(Buffer.from('Grüße\r\n\tx'))).toBe('Grüße\r\n\tx');
  expect(textOf(Buffer.from([0xff, 0xfe]))).toBeUndefined();
  expect(textOf(Buffer.from('a\0b'))).toBeUndefined();
  expect(textOf(Buffer.from('\x1b[31m'))).toBeUndefined();
  expect(textOf(new Uint8Array(DIFF_LIMITS.bytes + 1).fill(97))).toBeUndefined();
});
