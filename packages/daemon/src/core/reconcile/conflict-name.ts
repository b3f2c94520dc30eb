import {
  type DirectoryPath,
  MAX_NAME_BYTES,
  MAX_PATH_BYTES,
  nameOf,
  parentOf,
  type RelativePath,
} from '../model/relative-path.js';
import type { Stamp } from '../model/stamp.js';
import type { Blake3 } from '../ports/clock.js';
import { toHex } from '../wire/hex.js';

const encoder = new TextEncoder();

/** What a conflict name adds before the extension. A copy of a copy replaces it, so that names do not grow without end. */
const MARK = /\.sync-conflict-\d{8}-\d{6}-[A-Za-z0-9_]+-[0-9a-f]{8}$/;
/** Longer ones are no extensions, and would leave no room for the stem. */
const MAX_EXTENSION_BYTES = 32;
const DIGEST_BYTES = 4;
/** The last moment that has a year of four digits. */
const MAX_TIME_MS = 253_402_300_799_999;

/**
 * Where a losing version is kept: `name.sync-conflict-YYYYMMDD-HHMMSS-DEVICE-xxxxxxxx.ext` beside its path. A pure
 * function of path, stamp and author, so that every device that keeps it keeps it under the same name.
 */
export function conflictName(path: RelativePath, stamp: Stamp, author: string, blake3: Blake3): RelativePath {
  const { stem, extension } = splitName(nameOf(path));
  const mark = `.sync-conflict-${formatTime(stamp.physicalMs)}-${deviceGroup(author)}-${digest(path, stamp, blake3)}`;
  const tail = `${mark}${extension}`;
  const tailBytes = encoder.encode(tail).length;
  let directory = parentOf(path);
  // Where even a stem of one character would be too much for the path, the copy moves up.
  while (directory !== '' && roomIn(directory) < tailBytes + 4)
    directory = parentOf(directory as RelativePath);
  const stemBytes = Math.min(MAX_NAME_BYTES, roomIn(directory)) - tailBytes;
  const name = `${cutToBytes(stem.replace(MARK, ''), stemBytes)}${tail}`;
  return (directory === '' ? name : `${directory}/${name}`) as RelativePath;
}

export function isConflictName(path: RelativePath): boolean {
  return MARK.test(splitName(nameOf(path)).stem);
}

/** The path that a conflict copy was made for, as far as its name tells: a long name was cut. */
export function originalOfConflict(path: RelativePath): RelativePath | undefined {
  const { stem, extension } = splitName(nameOf(path));
  if (!MARK.test(stem)) return undefined;
  const directory = parentOf(path);
  const name = `${stem.replace(MARK, '')}${extension}`;
  return (directory === '' ? name : `${directory}/${name}`) as RelativePath;
}

/** Bytes that a name directly below this directory may have before the path is too long. */
function roomIn(directory: DirectoryPath): number {
  return MAX_PATH_BYTES - (directory === '' ? 0 : encoder.encode(directory).length + 1);
}

function splitName(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 ? name.slice(dot) : '';
  const isNone = extension.length < 2 || encoder.encode(extension).length > MAX_EXTENSION_BYTES;
  // The mark itself begins with a dot: what comes after it in a copy without extension is no extension.
  if (isNone || MARK.test(name)) return { stem: name, extension: '' };
  return { stem: name.slice(0, dot), extension };
}

function formatTime(physicalMs: number): string {
  const time = new Date(Math.min(Math.max(physicalMs, 0), MAX_TIME_MS)).toISOString();
  return `${time.slice(0, 10).replaceAll('-', '')}-${time.slice(11, 19).replaceAll(':', '')}`;
}

function deviceGroup(author: string): string {
  return /^[A-Za-z0-9_]{1,16}/.exec(author)?.[0] ?? 'unknown';
}

function digest(path: RelativePath, stamp: Stamp, blake3: Blake3): string {
  const { found, physicalMs, counter, incarnation } = stamp;
  const text = [path, found ? 'found' : 'authored', physicalMs, counter, incarnation].join('\0');
  return toHex(blake3(encoder.encode(text)), 0, DIGEST_BYTES);
}

function cutToBytes(text: string, maxBytes: number): string {
  let bytes = 0;
  let cut = '';
  for (const character of text) {
    bytes += encoder.encode(character).length;
    if (bytes > maxBytes) return cut;
    cut += character;
  }
  return text;
}
