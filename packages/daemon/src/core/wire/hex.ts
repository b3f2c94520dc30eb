const DIGITS = new TextEncoder().encode('0123456789abcdef');
const VALUES = new Uint8Array(128).fill(0xff);
for (const [value, unit] of DIGITS.entries()) VALUES[unit] = value;

const decoder = new TextDecoder();
const scratch = new Uint8Array(64);

/** Lower-case hex of `bytes[start..end)`. */
export function toHex(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const length = (end - start) * 2;
  const units = length === scratch.length ? scratch : new Uint8Array(length);
  for (let from = start, to = 0; from < end; from++, to += 2) {
    const byte = bytes[from] ?? 0;
    units[to] = DIGITS[byte >> 4] ?? 0;
    units[to + 1] = DIGITS[byte & 15] ?? 0;
  }
  return decoder.decode(units);
}

/** Writes the bytes of a hex string into `target` at `offset`; false when it is not `byteCount` bytes of lower-case hex. */
export function writeHex(hex: string, byteCount: number, target: Uint8Array, offset: number): boolean {
  if (hex.length !== byteCount * 2) return false;
  for (let i = 0; i < byteCount; i++) {
    const high = VALUES[hex.charCodeAt(2 * i)] ?? 0xff;
    const low = VALUES[hex.charCodeAt(2 * i + 1)] ?? 0xff;
    if ((high | low) === 0xff) return false;
    target[offset + i] = (high << 4) | low;
  }
  return true;
}

/** The low 32 bits, big-endian. */
export function writeU32(value: number, target: Uint8Array, offset: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}

export function readU32(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset] ?? 0) << 24) | ((bytes[offset + 1] ?? 0) << 16);
  return (high | ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0)) >>> 0;
}
