import type { FileEntry } from '../core/model/file-entry.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Held } from '../core/ports/content-index.js';
import { decodeEntry, encodeEntry } from '../core/wire/entry-codec.js';
import { identicalRegisters } from './row-facts.js';
import { decodeStat, encodeStat, STAT_BYTES } from './stat-codec.js';

/**
 * The bytes of a row that no query looks into, as one blob because reading three costs three times as much:
 * flags (u8) · stat (47 bytes, when something is held) · length (u32) and entry of what is held (when it is not just
 * what is known) · the known entry, exactly as it goes over the wire (when there is one), to the end.
 */
const Flag = { held: 1, racy: 2, heldApart: 4, known: 8 } as const;

const NOTHING = new Uint8Array(0);

export interface RowBody {
  readonly known: FileEntry | undefined;
  readonly held: Held | undefined;
}

export function encodeBody(path: RelativePath, { known, held }: RowBody): Buffer {
  const isApart = held !== undefined && !(known !== undefined && identicalRegisters(held, known));
  const apart = isApart ? encodeEntry({ path, version: held.version, metadata: held.metadata }) : NOTHING;
  const knownBytes = known === undefined ? NOTHING : encodeEntry(known);
  const headBytes = 1 + (held === undefined ? 0 : STAT_BYTES) + (isApart ? 4 : 0);
  const body = Buffer.allocUnsafe(headBytes + apart.length + knownBytes.length);
  let flags = known === undefined ? 0 : Flag.known;
  if (held !== undefined) {
    flags |= Flag.held | (held.racy ? Flag.racy : 0);
    encodeStat(held.stat, body, 1);
  }
  if (isApart) {
    flags |= Flag.heldApart;
    body.writeUInt32LE(apart.length, headBytes - 4);
    body.set(apart, headBytes);
  }
  body.writeUInt8(flags, 0);
  body.set(knownBytes, headBytes + apart.length);
  return body;
}

/** Throws {@link StoredRowError}. */
export function decodeBody(body: Buffer): RowBody {
  try {
    const flags = body.readUInt8(0);
    const layout = layoutOf(body, flags);
    const known = (flags & Flag.known) !== 0 ? decodeEntry(body.subarray(layout.known)) : undefined;
    if ((flags & Flag.held) === 0) return { known, held: undefined };
    const isApart = (flags & Flag.heldApart) !== 0;
    const entry = isApart ? decodeEntry(body.subarray(layout.apart, layout.known)) : known;
    if (entry === undefined) throw new RangeError('something is held, and nothing says what');
    return {
      known,
      held: {
        version: entry.version,
        metadata: entry.metadata,
        stat: decodeStat(body, 1),
        racy: (flags & Flag.racy) !== 0,
      },
    };
  } catch (cause) {
    throw new StoredRowError('a stored row cannot be read', { cause });
  }
}

/** The known entry as it goes over the wire; only for bodies that have one. Throws {@link StoredRowError}. */
export function knownBytesOf(body: Buffer): Buffer {
  try {
    return body.subarray(layoutOf(body, body.readUInt8(0)).known);
  } catch (cause) {
    throw new StoredRowError('a stored row cannot be read', { cause });
  }
}

/** What was stored cannot be read back: as bad as a damaged database, and treated as one. */
export class StoredRowError extends Error {
  override readonly name = 'StoredRowError';
}

function layoutOf(body: Buffer, flags: number): { readonly apart: number; readonly known: number } {
  const afterStat = 1 + ((flags & Flag.held) !== 0 ? STAT_BYTES : 0);
  if ((flags & Flag.heldApart) === 0) return { apart: afterStat, known: afterStat };
  const apart = afterStat + 4;
  const known = apart + body.readUInt32LE(afterStat);
  if (known > body.length) throw new RangeError('what is held is cut off');
  return { apart, known };
}
