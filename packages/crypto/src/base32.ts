/** RFC 4648 base32: no 0, 1 or 8, so that those can be read as the letters people take them for. */
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

const valueOfCharacter: ReadonlyMap<string, number> = new Map([
  ...[...alphabet].map((character, value): [string, number] => [character, value]),
  ['0', alphabet.indexOf('O')],
  ['1', alphabet.indexOf('I')],
  ['8', alphabet.indexOf('B')],
]);

/** The 5-bit value of a character in either case, 0 read as O, 1 as I and 8 as B; undefined for any other. */
export function base32Value(character: string): number | undefined {
  return valueOfCharacter.get(character.toUpperCase());
}

export function base32Text(values: readonly number[]): string {
  return values.map((value) => alphabet.charAt(value)).join('');
}

/** Splits bytes into 5-bit values; the last one is filled up with zero bits. */
export function base32ValuesFromBytes(bytes: Uint8Array): number[] {
  const values: number[] = [];
  let pending = 0;
  let pendingBits = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    pendingBits += 8;
    while (pendingBits >= 5) {
      pendingBits -= 5;
      values.push((pending >> pendingBits) & 31);
    }
    pending &= (1 << pendingBits) - 1;
  }
  if (pendingBits > 0) values.push((pending << (5 - pendingBits)) & 31);
  return values;
}

/**
 * The whole bytes behind 5-bit values. `exact` is false when something was left over that
 * {@link base32ValuesFromBytes} would not have put there: one value, one text.
 */
export function bytesFromBase32Values(values: readonly number[]): { bytes: Uint8Array; exact: boolean } {
  const bytes = new Uint8Array(Math.floor((values.length * 5) / 8));
  let pending = 0;
  let pendingBits = 0;
  let length = 0;
  for (const value of values) {
    pending = (pending << 5) | value;
    pendingBits += 5;
    if (pendingBits >= 8) {
      pendingBits -= 8;
      bytes[length++] = pending >> pendingBits;
      pending &= (1 << pendingBits) - 1;
    }
  }
  return { bytes, exact: pendingBits < 5 && pending === 0 };
}
