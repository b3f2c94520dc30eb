import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import type { FileStat } from '../../core/ports/folder-disk.js';

/** Numbers that one stat takes in a packed array. */
export const STAT_FIELDS = 7;

export function toFileStat(stats: BigIntStats): FileStat {
  const mode = Number(stats.mode);
  return {
    type: typeOf(mode),
    sizeBytes: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    inode: stats.ino,
    device: stats.dev,
    mode: mode & 0o7777,
    links: Number(stats.nlink),
  };
}

/**
 * Same thing, as far as a stat can tell: a rename or another link keeps it, an edit or a replacement does not. One
 * directory is as good as another: its times move with every name in it, and what is in it is looked at by itself.
 */
export function sameIdentity(a: FileStat, b: FileStat): boolean {
  if (a.type === 'directory') return b.type === 'directory';
  return a.type === b.type && a.inode === b.inode && a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs;
}

/**
 * Collects stats into one array of numbers, because cloning an object with eight fields from thread to thread costs
 * more than the system call that filled it.
 */
export class StatPacker {
  #fields: BigInt64Array;
  #count = 0;

  constructor(expected: number) {
    this.#fields = new BigInt64Array(Math.max(1, expected) * STAT_FIELDS);
  }

  /** Returns the index of the stat. */
  add(stats: BigIntStats): number {
    const at = this.#count * STAT_FIELDS;
    if (at === this.#fields.length) {
      const larger = new BigInt64Array(this.#fields.length * 2);
      larger.set(this.#fields);
      this.#fields = larger;
    }
    this.#fields[at] = stats.size;
    this.#fields[at + 1] = stats.mtimeNs;
    this.#fields[at + 2] = stats.ctimeNs;
    this.#fields[at + 3] = stats.ino;
    this.#fields[at + 4] = stats.dev;
    this.#fields[at + 5] = stats.mode;
    this.#fields[at + 6] = stats.nlink;
    return this.#count++;
  }

  finish(): BigInt64Array<ArrayBuffer> {
    return this.#fields.slice(0, this.#count * STAT_FIELDS);
  }
}

export function unpackStat(fields: BigInt64Array, index: number): FileStat {
  const at = index * STAT_FIELDS;
  const mode = Number(fields[at + 5] ?? 0n);
  return {
    type: typeOf(mode),
    sizeBytes: Number(fields[at] ?? 0n),
    mtimeNs: fields[at + 1] ?? 0n,
    ctimeNs: fields[at + 2] ?? 0n,
    inode: fields[at + 3] ?? 0n,
    device: fields[at + 4] ?? 0n,
    mode: mode & 0o7777,
    links: Number(fields[at + 6] ?? 0n),
  };
}

function typeOf(mode: number): FileStat['type'] {
  switch (mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return 'file';
    case constants.S_IFDIR:
      return 'directory';
    case constants.S_IFLNK:
      return 'symlink';
    default:
      return 'other';
  }
}
