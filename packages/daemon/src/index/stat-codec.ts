import type { FileStat } from '../core/ports/folder-disk.js';

const TYPES = ['file', 'directory', 'symlink', 'other'] as const;
const TYPE_BITS = 0b11;
const LARGE_INODE = 0x40;
const LARGE_DEVICE = 0x80;
const STAT_BYTES = 47;
const SIGN_LIMIT = 1n << 63n;

/**
 * 47 bytes, so that nanoseconds and inodes keep all of their 64 bits without every number of a row becoming a BigInt.
 * Inodes and device numbers above 2^63 are flagged, because systems report them with and without a sign.
 */
export function encodeStat(stat: FileStat): Buffer {
  const bytes = Buffer.allocUnsafe(STAT_BYTES);
  const flags = (stat.inode >= SIGN_LIMIT ? LARGE_INODE : 0) | (stat.device >= SIGN_LIMIT ? LARGE_DEVICE : 0);
  bytes.writeUInt8(TYPES.indexOf(stat.type) | flags, 0);
  bytes.writeUInt16LE(stat.mode, 1);
  bytes.writeUInt32LE(Math.min(stat.links, 0xffffffff), 3);
  bytes.writeDoubleLE(stat.sizeBytes, 7);
  bytes.writeBigInt64LE(stat.mtimeNs, 15);
  bytes.writeBigInt64LE(stat.ctimeNs, 23);
  bytes.writeBigInt64LE(BigInt.asIntN(64, stat.inode), 31);
  bytes.writeBigInt64LE(BigInt.asIntN(64, stat.device), 39);
  return bytes;
}

/** Throws RangeError for anything that {@link encodeStat} did not make. */
export function decodeStat(bytes: Buffer): FileStat {
  const flags = bytes.readUInt8(0);
  const type = TYPES[flags & TYPE_BITS];
  if (bytes.length !== STAT_BYTES || type === undefined) throw new RangeError('not a stored stat');
  return {
    type,
    sizeBytes: bytes.readDoubleLE(7),
    mtimeNs: bytes.readBigInt64LE(15),
    ctimeNs: bytes.readBigInt64LE(23),
    inode: (flags & LARGE_INODE) !== 0 ? bytes.readBigUInt64LE(31) : bytes.readBigInt64LE(31),
    device: (flags & LARGE_DEVICE) !== 0 ? bytes.readBigUInt64LE(39) : bytes.readBigInt64LE(39),
    mode: bytes.readUInt16LE(1),
    links: bytes.readUInt32LE(3),
  };
}
