/** Text from files and other devices, made fit for a terminal. */

// Control characters, and those that reorder or hide text: a file name must not be able to draw on the screen.
const UNPRINTABLE = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|^\p{Emoji_Presentation}/u;
const ZERO_WIDTH = /^\p{M}+$/u;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** Columns that the text takes on a terminal. */
export function columnsOf(text: string): number {
  return graphemesOf(text).reduce((columns, grapheme) => columns + widthOf(grapheme), 0);
}

function graphemesOf(text: string): string[] {
  // The segmenter takes 10 ms to load, which most output does not need.
  if (PRINTABLE_ASCII.test(text)) return [...text];
  return Array.from(
    new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text),
    ({ segment }) => segment,
  );
}

/** Cut in the middle to fit, so that both the folder and the file name stay visible. */
export function cutToColumns(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  if (columns < 2) return columns === 1 ? '…' : '';
  const parts = graphemesOf(text);
  const headColumns = Math.floor((columns - 1) / 3);
  const head = take(parts, headColumns);
  const tail = take(parts.reverse(), columns - 1 - columnsOf(head.join(''))).reverse();
  return `${head.join('')}…${tail.join('')}`;
}

function take(parts: readonly string[], columns: number): string[] {
  const taken: string[] = [];
  let used = 0;
  for (const part of parts) {
    used += widthOf(part);
    if (used > columns) break;
    taken.push(part);
  }
  return taken;
}

function widthOf(grapheme: string): number {
  if (ZERO_WIDTH.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}
