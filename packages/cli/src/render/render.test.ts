import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderQrCode } from './qr-code.js';
import { count, formatBytes, formatDuration } from './quantity.js';
import { renderTable } from './table.js';
import { columnsOf, cutToColumns, printable } from './text.js';

describe('text', () => {
  test('that would move the cursor or reorder the line is shown instead', () => {
    expect(printable('a\nb\x1b[2J\u202etxt.exe')).toBe('a\\nb\\u{1b}[2J\\u{202e}txt.exe');
  });

  test('is measured in columns: wide characters take two', () => {
    expect(columnsOf('abc')).toBe(3);
    expect(columnsOf('日本')).toBe(4);
    expect(columnsOf('🎉')).toBe(2);
    expect(columnsOf('👩‍👩‍👧‍👦')).toBe(2);
    expect(columnsOf('e\u0301')).toBe(1);
  });

  test('is cut in the middle', () => {
    expect(cutToColumns('/home/ada/photos/2026/january.jpg', 16)).toBe('/home…anuary.jpg');
    expect(cutToColumns('short', 16)).toBe('short');
  });

  test('never takes more columns than it may', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, columns) => {
        expect(columnsOf(cutToColumns(text, columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

describe('quantities', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [99_949, '99.9 kB'],
    [99_950, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [2_147_483_648, '2.1 GB'],
    [Number.MAX_SAFE_INTEGER, '9.0 PB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test.each([
    [0.4, '0 ms'],
    [950, '950 ms'],
    [1_500, '1.5 s'],
    [61_000, '1 min 1 s'],
    [120_000, '2 min'],
    [3_600_000, '1 h'],
    [3_660_000, '1 h 1 min'],
    [200 * 3_600_000, '8 days'],
  ])('%d ms are %s', (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });

  test('are counted in words', () => {
    expect([count(1, 'file'), count(0, 'file'), count(12_345, 'file')]).toEqual([
      '1 file',
      '0 files',
      '12,345 files',
    ]);
  });
});

describe('tables', () => {
  test('are aligned, and the last column gives way', () => {
    const rows = [
      ['a', 'bb', '/a/long/path/to/something.txt'],
      ['ccc', 'd', '/short'],
    ];
    expect(renderTable(rows)).toEqual(['a    bb  /a/long/path/to/something.txt', 'ccc  d   /short']);
    for (const line of renderTable(rows, { columns: 30, indent: '  ' }))
      expect(columnsOf(line)).toBeLessThanOrEqual(30);
  });
});

describe('QR codes', () => {
  test('are square, framed, and left out where they do not fit', () => {
    const lines = renderQrCode('landropic1:ABCDEF', 80);
    const width = lines[0]?.length ?? 0;
    expect(Math.ceil(width / 2)).toBe(lines.length);
    expect(lines[0]).toBe('█'.repeat(width));
    expect(renderQrCode('landropic1:ABCDEF', 10)).toEqual([]);
  });
});
