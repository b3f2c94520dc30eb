import type { FileStat } from '../core/ports/folder-disk.js';

const TYPES = ['file', 'directory', 'symlink', 'other'] as const;
const TYPE_BITS = 0b11;
const LARGE_INODE = 0x40;
const LARGE_DEVICE = 0x80;
export const STAT_BYTES = 47;
const SIGN_LIMIT = 1n << 63n;

/**
 * 47 bytes, so that nanoseconds and inodes keep all of their 64 bits without every number of a row becoming a BigInt.
 * Inodes and device numbers above 2^63 are flagged, because systems report them with and without a sign.
 */
export function encodeStat(stat: FileStat, target: Buffer, offset: number): void {
  const flags = (stat.inode >= SIGN_LIMIT ? LARGE_INODE : 0) | (stat.device >= SIGN_LIMIT ? LARGE_DEVICE : 0);
  target.writeUInt8(TYPES.indexOf(stat.type) | flags, offset);
  target.writeUInt16LE(stat.mode, offset + 1);
  target.writeUInt32LE(Math.min(stat.links, 0xffffffff), offset + 3);
  target.writeDoubleLE(stat.sizeBytes, offset + 7);
  target.writeBigInt64LE(stat.mtimeNs, offset + 15);
  target.writeBigInt64LE(stat.ctimeNs, offset + 23);
  target.writeBigInt64LE(BigInt.asIntN(64, stat.inode), offset + 31);
  target.writeBigInt64LE(BigInt.asIntN(64, stat.device), offset + 39);
}

/** Throws RangeError for anything that {@link encodeStat} cannot have made. */
export function decodeStat(source: Buffer, offset: number): FileStat {
  const flags = source.readUInt8(offset);
  const type = TYPES[flags & TYPE_BITS];
  if (type === undefined) throw new RangeError('not a stored stat');
  return {
    type,
    sizeBytes: source.readDoubleLE(offset + 7),
    mtimeNs: source.readBigInt64LE(offset + 15),
    ctimeNs: source.readBigInt64LE(offset + 23),
    inode:
      (flags & LARGE_INODE) !== 0 ? source.readBigUInt64LE(offset + 31) : source.readBigInt64LE(offset + 31),
    device:
      (flags & LARGE_DEVICE) !== 0 ? source.readBigUInt64LE(offset + 39) : source.readBigInt64LE(offset + 39),
    mode: source.readUInt16LE(offset + 1),
    links: source.readUInt32LE(offset + 3),
  };
}
