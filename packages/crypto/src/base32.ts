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

/** The bytes behind 5-bit values; undefined when the values are not what {@link base32ValuesFromBytes} makes of any bytes. */
export function bytesFromBase32Values(values: readonly number[]): Uint8Array | undefined {
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
  // One text for one value: a whole character of filling, or filling that is not zero, is not ours.
  return pendingBits >= 5 || pending !== 0 ? undefined : bytes;
}
