/**
 * Whether bytes are one map within the protocol's subset of CBOR, as docs/protocol.md describes it: read by recursion and
 * without a thought of speed, to compare the decoder with.
 */
export function isStrictCbor(bytes: Uint8Array): boolean {
  const reader = { bytes, at: 0 };
  return (bytes[0] ?? 0) >> 5 === 5 && skipItem(reader, 1) && reader.at === bytes.length;
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

const MAX_DEPTH = 16;
const MAX_KEY = 255n;

function skipItem(reader: Reader, depth: number): boolean {
  const major = (reader.bytes[reader.at] ?? 0) >> 5;
  if (major === 7) return [0xf4, 0xf5, 0xf6].includes(reader.bytes[reader.at++] ?? 0);
  const argument = takeArgument(reader);
  if (argument === undefined || major === 6) return false;
  if (major <= 1) return true;
  if (argument > BigInt(reader.bytes.length - reader.at)) return false;
  const count = Number(argument);
  if (major <= 3) {
    const content = reader.bytes.subarray(reader.at, reader.at + count);
    reader.at += count;
    return major === 2 || isUtf8(content);
  }
  if (depth > MAX_DEPTH) return false;
  return major === 4 ? skipItems(reader, count, depth) : skipPairs(reader, count, depth);
}

/** Undefined unless it is there, definite, and written in the shortest form. */
function takeArgument(reader: Reader): bigint | undefined {
  const minor = (reader.bytes[reader.at++] ?? 0) & 31;
  if (minor < 24) return reader.at <= reader.bytes.length ? BigInt(minor) : undefined;
  if (minor > 27) return undefined;
  const width = 1 << (minor - 24);
  if (reader.at + width > reader.bytes.length) return undefined;
  let value = 0n;
  for (let i = 0; i < width; i++) value = value * 256n + BigInt(reader.bytes[reader.at++] ?? 0);
  const smallest = width === 1 ? 24n : 1n << BigInt(4 * width);
  return value >= smallest ? value : undefined;
}

function skipItems(reader: Reader, count: number, depth: number): boolean {
  for (let i = 0; i < count; i++) if (!skipItem(reader, depth + 1)) return false;
  return true;
}

function skipPairs(reader: Reader, count: number, depth: number): boolean {
  const keys = new Set<bigint>();
  for (let i = 0; i < count; i++) {
    if ((reader.bytes[reader.at] ?? 0) >> 5 !== 0) return false;
    const key = takeArgument(reader);
    if (key === undefined || key > MAX_KEY || keys.has(key)) return false;
    keys.add(key);
    if (!skipItem(reader, depth + 1)) return false;
  }
  return true;
}

function isUtf8(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('utf8');
  return Buffer.compare(Buffer.from(text, 'utf8'), bytes) === 0;
}
