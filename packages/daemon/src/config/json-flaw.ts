/** Where a text stops being JSON: the offset of the first character that cannot stand there; undefined when it is sound. */
export function findJsonFlaw(text: string): number | undefined {
  const end = skipSpace(text, valueEnd(text, skipSpace(text, 0)));
  const offset = end < 0 ? -end - 1 : end;
  return end >= 0 && end === text.length ? undefined : offset;
}

const SPACE = /[ \t\n\r]*/y;
const SCALAR =
  /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|[\x7f-\x9f])*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/uy;

/** Ends are offsets; a flaw at offset n is told as -n - 1, and passes through everything that follows. */
const flawAt = (offset: number): number => -offset - 1;

function skipSpace(text: string, from: number): number {
  if (from < 0) return from;
  SPACE.lastIndex = from;
  SPACE.test(text);
  return SPACE.lastIndex;
}

function scalarEnd(text: string, from: number): number {
  SCALAR.lastIndex = from;
  return SCALAR.test(text) ? SCALAR.lastIndex : flawAt(from);
}

function valueEnd(text: string, from: number): number {
  if (text[from] === '{') return itemsEnd(text, from, '}', memberEnd);
  if (text[from] === '[') return itemsEnd(text, from, ']', valueEnd);
  return scalarEnd(text, from);
}

function memberEnd(text: string, from: number): number {
  const colon = text[from] === '"' ? skipSpace(text, scalarEnd(text, from)) : flawAt(from);
  if (colon < 0) return colon;
  return text[colon] === ':' ? valueEnd(text, skipSpace(text, colon + 1)) : flawAt(colon);
}

function itemsEnd(
  text: string,
  from: number,
  close: string,
  itemEnd: (text: string, from: number) => number,
): number {
  let at = skipSpace(text, from + 1);
  if (text[at] === close) return at + 1;
  for (;;) {
    at = skipSpace(text, itemEnd(text, at));
    if (at < 0) return at;
    if (text[at] === close) return at + 1;
    if (text[at] !== ',') return flawAt(at);
    at = skipSpace(text, at + 1);
  }
}
