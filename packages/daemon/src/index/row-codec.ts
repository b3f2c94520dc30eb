import type { ContentHash } from '../core/model/identifiers.js';
import type { DirectoryPath, RelativePath } from '../core/model/relative-path.js';
import type { IndexRow } from '../core/ports/content-index.js';
import type { DeviceRows } from './device-rows.js';
import { decodeBody, encodeBody } from './row-body.js';
import type { RowFacts, Stands } from './row-facts.js';

/** The columns that a row is made of again. */
export interface StoredRow {
  readonly path: string;
  readonly sequence: number;
  readonly source: number | null;
  readonly conflict_of: string | null;
  readonly body: Buffer;
}

export const ROW_COLUMNS = 'path, sequence, source, conflict_of, body';

/** Throws StoredRowError. */
export function decodeRow(stored: StoredRow, devices: DeviceRows): IndexRow {
  const { known, held } = decodeBody(stored.body);
  return {
    path: stored.path as RelativePath,
    sequence: stored.sequence,
    known,
    held,
    source: devices.keyOf(stored.source),
    conflictOf: (stored.conflict_of ?? undefined) as RelativePath | undefined,
  };
}

/** The columns that indexes are on, and so are costly to write. */
export interface IndexedColumns {
  readonly sequence: number;
  readonly is_known: number;
  readonly live: number;
  readonly needed: number;
  readonly racy: number;
  readonly stands: Stands;
  readonly conflict_of: string | null;
  readonly content_hash: Buffer | null;
}

export const INDEXED_COLUMNS = [
  'sequence',
  'is_known',
  'live',
  'needed',
  'racy',
  'stands',
  'conflict_of',
  'content_hash',
] as const satisfies readonly (keyof IndexedColumns)[];

export function indexedColumnsOf(row: IndexRow, facts: RowFacts): IndexedColumns {
  return {
    sequence: row.sequence,
    is_known: row.known === undefined ? 0 : 1,
    live: facts.live ? 1 : 0,
    needed: facts.needed ? 1 : 0,
    racy: row.held?.racy ? 1 : 0,
    stands: facts.stands,
    conflict_of: row.conflictOf ?? null,
    content_hash: facts.heldFile === undefined ? null : hashBytes(facts.heldFile.hash),
  };
}

export const PLAIN_COLUMNS = ['held_size', 'held_chunks', 'need_size', 'source', 'body'] as const;

/** The values of {@link PLAIN_COLUMNS}, in their order. */
export function plainValuesOf(row: IndexRow, facts: RowFacts, devices: DeviceRows): unknown[] {
  return [
    facts.heldFile?.sizeBytes ?? 0,
    facts.heldFile?.chunks.length ?? 0,
    facts.needBytes,
    row.source === undefined ? null : devices.idOf(row.source),
    encodeBody(row.path, row),
  ];
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
