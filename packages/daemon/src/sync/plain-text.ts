/** What a peer wrote, fit for a screen and a log: one line, nothing in it that moves a cursor, cut where it is long. */
export function plainText(text: string, maxCharacters = 200): string {
  const onOneLine = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/gu, ' ');
  return onOneLine.length <= maxCharacters ? onOneLine : [...onOneLine].slice(0, maxCharacters).join('');
}
