/** Files beyond these are not compared line by line. */
export const DIFF_LIMITS = { bytes: 64 * 1024, lines: 2_000 } as const;

const CONTEXT_LINES = 3;

/** One line of a comparison: in both, in the first alone (`-`), in the second alone (`+`). */
interface DiffLine {
  readonly mark: ' ' | '-' | '+';
  readonly text: string;
}

/** The text of a small file, or undefined for what is no text: not UTF-8, or with control characters. */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.length > DIFF_LIMITS.bytes) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what tells text from the rest.
    return /[\x00-\x08\x0e-\x1f\x7f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/**
 * What differs between two texts, in hunks as `diff -u` shows them, without the names. Empty where nothing does; undefined
 * where they are too long to be compared.
 */
export function unifiedDiff(before: string, after: string): string | undefined {
  const [a, b] = [linesOf(before), linesOf(after)];
  if (a.length > DIFF_LIMITS.lines || b.length > DIFF_LIMITS.lines) return undefined;
  const lines = compareLines(a, b);
  return hunksOf(lines).map(renderHunk).join('');
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else lines.push(`${lines.pop()}\n\\ No newline at end of file`);
  return lines;
}

/** By the longest common subsequence of what is left between a common beginning and a common end. */
function compareLines(a: readonly string[], b: readonly string[]): DiffLine[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const both = (text: string): DiffLine => ({ mark: ' ', text });
  return [
    ...a.slice(0, start).map(both),
    ...compareMiddle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map(both),
  ];
}

function compareMiddle(a: readonly string[], b: readonly string[]): DiffLine[] {
  const width = b.length + 1;
  // How long the longest common subsequence of what follows from here is.
  const longest = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number) => longest[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      lines.push({ mark: ' ', text: left });
      i++;
      j++;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ mark: '-', text: left });
      i++;
    } else {
      lines.push({ mark: '+', text: right ?? '' });
      j++;
    }
  }
  return lines;
}

interface Hunk {
  readonly fromLine: number;
  readonly toLine: number;
  readonly lines: readonly DiffLine[];
}

function hunksOf(lines: readonly DiffLine[]): Hunk[] {
  const shown = new Set<number>();
  for (const [i, { mark }] of lines.entries()) {
    if (mark === ' ') continue;
    for (let near = i - CONTEXT_LINES; near <= i + CONTEXT_LINES; near++) shown.add(near);
  }
  const hunks: Hunk[] = [];
  let open: DiffLine[] | undefined;
  let [fromLine, toLine] = [1, 1];
  for (const [i, line] of lines.entries()) {
    if (shown.has(i)) {
      if (open === undefined) {
        open = [];
        hunks.push({ fromLine, toLine, lines: open });
      }
      open.push(line);
    } else open = undefined;
    if (line.mark !== '+') fromLine++;
    if (line.mark !== '-') toLine++;
  }
  return hunks;
}

function renderHunk({ fromLine, toLine, lines }: Hunk): string {
  const from = lines.filter(({ mark }) => mark !== '+').length;
  const to = lines.filter(({ mark }) => mark !== '-').length;
  // Of nothing, the line before it is named.
  const head = `@@ -${from === 0 ? fromLine - 1 : fromLine},${from} +${to === 0 ? toLine - 1 : toLine},${to} @@\n`;
  return head + lines.map(({ mark, text }) => `${mark}${text}\n`).join('');
}
