import { columnsOf, cutToColumns, printable } from './text.js';

export interface TableOptions {
  /** Total width in columns; the `flexible` column is cut to fit. Unlimited unless given. */
  readonly columns?: number;
  /** Index of the column that gives way, usually a path. Default: the last. */
  readonly flexible?: number;
  /** Put before every row. */
  readonly indent?: string;
}

const GAP = '  ';
const MIN_FLEXIBLE_COLUMNS = 8;

/** Rows of cells as aligned lines; the first row is the heading where one is wanted. */
export function renderTable(rows: readonly (readonly string[])[], options: TableOptions = {}): string[] {
  const cells = rows.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of cells) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, columnsOf(cell));
    });
  }
  const flexible = options.flexible ?? widths.length - 1;
  const indent = options.indent ?? '';
  const used = widths.reduce((sum, width) => sum + width, indent.length + GAP.length * (widths.length - 1));
  if (options.columns !== undefined && used > options.columns) {
    const wanted = (widths[flexible] ?? 0) - (used - options.columns);
    widths[flexible] = Math.max(MIN_FLEXIBLE_COLUMNS, wanted);
  }
  return cells.map((row) => {
    const padded = row.map((cell, index) => pad(cell, widths[index] ?? 0));
    return `${indent}${padded.join(GAP)}`.trimEnd();
  });
}

function pad(cell: string, width: number): string {
  const cut = cutToColumns(cell, width);
  return cut + ' '.repeat(Math.max(0, width - columnsOf(cut)));
}
