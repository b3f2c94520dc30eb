import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  futimesSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { DiskFailure } from './disk-failure.js';

export interface OpenFile {
  readonly fd: number;
  readonly stats: BigIntStats;
}

/** Opening neither follows a link nor waits for the other end of a FIFO. */
const CAREFULLY = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** The caller closes it. Throws `not-a-file` for whatever is no regular file. */
export function openRegular(path: string, access: 'read' | 'write' = 'read'): OpenFile {
  const fd = openSync(path, (access === 'read' ? constants.O_RDONLY : constants.O_RDWR) | CAREFULLY);
  try {
    const stats = fstatSync(fd, { bigint: true });
    if (!stats.isFile()) throw new DiskFailure('not-a-file', 'not a regular file');
    return { fd, stats };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Makes a file that must not be there yet. */
export function createRegular(path: string, mode: number): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode);
}

/** Fills `into` from `position` on, as far as the file goes. Returns the number of bytes. */
export function readFully(fd: number, into: Uint8Array, position: number): number {
  let filled = 0;
  while (filled < into.length) {
    const count = readSync(fd, into, filled, into.length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(fd, bytes, written, bytes.length - written, position + written);
  }
}

/** Half a microsecond on top, because the system call takes microseconds of a double, cut off. */
export function toSystemTime(timeNs: bigint): number {
  return (Number(timeNs / 1000n) + 0.5) / 1e6;
}

export function setTimes(fd: number, mtimeNs: bigint): void {
  const time = toSystemTime(mtimeNs);
  futimesSync(fd, time, time);
}

/** True when nothing that shows a change of content moved between two looks at one open file. */
export function isUntouched(before: BigIntStats, after: BigIntStats): boolean {
  return before.size === after.size && before.mtimeNs === after.mtimeNs && before.ctimeNs === after.ctimeNs;
}
