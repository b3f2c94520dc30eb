import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { DirectoryAccess } from './directory-access.js';
import { codeOf } from './disk-failure.js';
import { directoryOfEntries } from './location.js';
import { StatPacker } from './stat-record.js';

/** A directory's names and the stats of those among them that were still there, in the same order. */
export interface PackedListing {
  readonly names: readonly string[];
  /** The directory's own first. */
  readonly stats: BigInt64Array<ArrayBuffer>;
  /** By index of name. */
  readonly targets: ReadonlyMap<number, string>;
  readonly unreadableNames: readonly string[];
  /** Names whose stats are still to be asked for, piece by piece. */
  readonly rest: readonly string[];
}

/** So many are looked at in one go; a larger directory is listed in pieces, so that others get their turn. */
export const MAX_STATS_A_PIECE = 8192;

export function listDirectory(access: DirectoryAccess, directory: string): PackedListing {
  const prefix = access.prefixOf(directoryOfEntries(directory));
  // Taken before the names: what changes later moves this time, and so shows.
  const own = lstatSync(`${prefix}.`, { bigint: true });
  const { names, unreadableNames } = readNames(prefix);
  const piece = statNames(access, directory, names.slice(0, MAX_STATS_A_PIECE), own);
  return { ...piece, unreadableNames, rest: names.slice(MAX_STATS_A_PIECE) };
}

export function statNames(
  access: DirectoryAccess,
  directory: string,
  names: readonly string[],
  own = lstatSync(`${access.prefixOf(directoryOfEntries(directory))}.`, { bigint: true }),
): PackedListing {
  const prefix = access.prefixOf(directoryOfEntries(directory));
  const stats = new StatPacker(names.length + 1);
  const found: string[] = [];
  const targets = new Map<number, string>();
  stats.add(own);
  for (const name of names) {
    const stat = lstatSync(prefix + name, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (stat.isSymbolicLink()) {
      const target = readTarget(prefix + name);
      if (target !== undefined) targets.set(found.length, target);
    }
    stats.add(stat);
    found.push(name);
  }
  return { names: found, stats: stats.finish(), targets, unreadableNames: [], rest: [] };
}

function readNames(prefix: string): { names: string[]; unreadableNames: string[] } {
  const names = readdirSync(prefix);
  // The system's bytes decode to a replacement character where they are not UTF-8; a name may also contain one.
  if (!names.some((name) => name.includes('\ufffd'))) return { names, unreadableNames: [] };
  const sound: string[] = [];
  const unreadableNames: string[] = [];
  for (const bytes of readdirSync(prefix, { encoding: 'buffer' })) {
    const name = bytes.toString('utf8');
    if (Buffer.from(name, 'utf8').equals(bytes)) sound.push(name);
    else unreadableNames.push(escapeBytes(bytes));
  }
  return { names: sound, unreadableNames };
}

/** Undefined for a target that is not UTF-8, and for a link that is gone. */
function readTarget(path: string): string | undefined {
  try {
    const bytes = readlinkSync(path, { encoding: 'buffer' });
    const target = bytes.toString('utf8');
    return Buffer.from(target, 'utf8').equals(bytes) ? target : undefined;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}

function escapeBytes(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) {
    text +=
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}
