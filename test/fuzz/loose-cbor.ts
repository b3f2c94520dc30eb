import type { ByteSource } from './byte-source.js';

/** Bytes that stand where an item should, taken over as they are. */
export class RawItem {
  constructor(readonly bytes: Uint8Array) {}
}

const UINT = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;

const encoder = new TextEncoder();

/**
 * Writes CBOR that a sound encoder would not write: now and then a length in a longer form than it needs, an indefinite one,
 * or one that is not that of what follows. With an empty source everything is written as it should be.
 */
export function encodeLoosely(value: unknown, source: ByteSource): Uint8Array {
  const out: number[] = [];
  writeItem(out, value, source);
  return Uint8Array.from(out);
}

function writeItem(out: number[], value: unknown, source: ByteSource): void {
  if (value instanceof RawItem) push(out, value.bytes);
  else if (value instanceof Uint8Array) {
    writeHead(out, BYTES, value.length, source);
    push(out, value);
  } else if (typeof value === 'string') {
    const bytes = encoder.encode(value);
    writeHead(out, TEXT, bytes.length, source);
    push(out, bytes);
  } else if (Array.isArray(value)) {
    writeHead(out, ARRAY, value.length, source);
    for (const item of value) writeItem(out, item, source);
  } else if (value instanceof Map) {
    writeHead(out, MAP, value.size, source);
    for (const [key, item] of value) {
      writeItem(out, key, source);
      writeItem(out, item, source);
    }
  } else writeSimple(out, value, source);
}

function writeSimple(out: number[], value: unknown, source: ByteSource): void {
  if (value === false) out.push(0xf4);
  else if (value === true) out.push(0xf5);
  else if (typeof value === 'bigint' || typeof value === 'number') {
    const whole = BigInt(typeof value === 'number' ? Math.trunc(value) : value);
    if (whole >= 0n) writeHead(out, UINT, whole, source);
    else writeHead(out, NEGATIVE, -1n - whole, source);
  } else out.push(0xf6);
}

function writeHead(out: number[], major: number, length: number | bigint, source: ByteSource): void {
  const honest = BigInt(length);
  const argument = source.oneIn(60) ? wrongLength(honest, source) : honest;
  if (source.oneIn(120)) {
    out.push((major << 5) | 31);
    return;
  }
  const shortest =
    argument < 24n ? 0 : argument < 0x100n ? 1 : argument < 0x10000n ? 2 : fourOrEight(argument);
  const width = source.oneIn(30) ? source.pick([1, 2, 4, 8]) : shortest;
  if (width < shortest || width === 0) {
    out.push((major << 5) | Number(argument % 24n));
    return;
  }
  out.push((major << 5) | (24 + Math.log2(width)));
  for (let i = width - 1; i >= 0; i--) out.push(Number((argument >> BigInt(8 * i)) & 0xffn));
}

function fourOrEight(argument: bigint): number {
  return argument < 0x1_0000_0000n ? 4 : 8;
}

function wrongLength(honest: bigint, source: ByteSource): bigint {
  return source.pick([
    honest + 1n,
    honest > 0n ? honest - 1n : 0n,
    0n,
    0xffffn,
    0xffff_ffffn,
    2n ** 53n,
    2n ** 64n - 1n,
  ]);
}

function push(out: number[], bytes: Uint8Array): void {
  for (const byte of bytes) out.push(byte);
}
