import type { FileEntry } from '../core/model/file-entry.js';
import type { ContentHash } from '../core/model/identifiers.js';
import { type DirectoryPath, parentOf, type RelativePath } from '../core/model/relative-path.js';
import type { Held, IndexRow } from '../core/ports/content-index.js';
import type { FileStat } from '../core/ports/folder-disk.js';
import { decodeEntry, encodeEntry } from '../core/wire/entry-codec.js';
import type { DeviceRows } from './device-rows.js';
import { identicalRegisters, type RowFacts, Stands } from './row-facts.js';
import { decodeStat, encodeStat } from './stat-codec.js';

/** The columns that a row is made of again. */
export interface StoredRow {
  readonly path: string;
  readonly sequence: number;
  readonly racy: number;
  readonly source: number | null;
  readonly conflict_of: string | null;
  readonly held_stat: Buffer | null;
  readonly known: Buffer | null;
  readonly held: Buffer | null;
}

/** What was stored cannot be read back: as bad as a damaged database, and treated as one. */
export class StoredRowError extends Error {
  override readonly name = 'StoredRowError';
}

export function decodeRow(stored: StoredRow, devices: DeviceRows): IndexRow {
  const known = stored.known === null ? undefined : decodeStoredEntry(stored.known);
  return {
    path: stored.path as RelativePath,
    sequence: stored.sequence,
    known,
    held: decodeHeld(stored, known),
    source: devices.keyOf(stored.source),
    conflictOf: (stored.conflict_of ?? undefined) as RelativePath | undefined,
  };
}

function decodeHeld(stored: StoredRow, known: FileEntry | undefined): Held | undefined {
  if (stored.held_stat === null) return undefined;
  const entry = stored.held === null ? known : decodeStoredEntry(stored.held);
  if (entry === undefined) throw new StoredRowError('a row that holds something says not what');
  return {
    version: entry.version,
    metadata: entry.metadata,
    stat: decodeStoredStat(stored.held_stat),
    racy: stored.racy === 1,
  };
}

/** Throws {@link StoredRowError}. */
export function decodeStoredEntry(bytes: Buffer): FileEntry {
  try {
    return decodeEntry(bytes);
  } catch (cause) {
    throw new StoredRowError('a stored entry cannot be read', { cause });
  }
}

/** Throws {@link StoredRowError}. */
export function decodeStoredStat(bytes: Buffer): FileStat {
  try {
    return decodeStat(bytes);
  } catch (cause) {
    throw new StoredRowError('a stored stat cannot be read', { cause });
  }
}

/** The values to store, by column. */
export function encodeRow(row: IndexRow, facts: RowFacts, devices: DeviceRows) {
  const { path, known, held } = row;
  const heldContent = held?.version.content;
  const heldApart = held !== undefined && !(known !== undefined && identicalRegisters(held, known));
  return {
    path,
    parent: hashOfPath(parentOf(path)),
    sequence: row.sequence,
    live: facts.live ? 1 : 0,
    needed: facts.needed ? 1 : 0,
    racy: held?.racy ? 1 : 0,
    stands: facts.stands,
    held_size: facts.heldBytes,
    need_size: facts.needBytes,
    source: row.source === undefined ? null : devices.idOf(row.source),
    conflict_of: row.conflictOf ?? null,
    content_hash:
      facts.stands === Stands.file && heldContent?.type === 'file' ? hashBytes(heldContent.hash) : null,
    held_stat: held === undefined ? null : encodeStat(held.stat),
    known: known === undefined ? null : encodeEntry(known),
    held: heldApart ? encodeEntry({ path, version: held.version, metadata: held.metadata }) : null,
  };
}

export function hashBytes(hash: ContentHash): Buffer {
  return Buffer.from(hash, 'hex');
}

/** 52 bits of two FNV-1a hashes over UTF-16 units. Collisions cost a comparison, no more. */
export function hashOfPath(path: DirectoryPath): number {
  let low = 0x811c9dc5;
  let high = 0x050c5d1f;
  for (let i = 0; i < path.length; i++) {
    const unit = path.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x01000193) ^ (high >>> 15);
  }
  return (high >>> 12) * 0x1_0000_0000 + (low >>> 0);
}
