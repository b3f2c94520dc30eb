import type { IncarnationId } from '../model/identifiers.js';
import { malformed } from './fields.js';
import { readU32, toHex } from './hex.js';

const BYTES = 8;
const SLOTS = 64;

const keys = new Uint32Array(2 * SLOTS);
const texts: (IncarnationId | undefined)[] = new Array(SLOTS).fill(undefined);

/**
 * The incarnation whose eight bytes stand at `offset`. A folder has few of them and each entry names two or more, so the
 * last ones are kept: entries then share one string for each.
 */
export function readIncarnation(bytes: Uint8Array, offset: number): IncarnationId {
  if (bytes.length < offset + BYTES) throw malformed('incarnation', `${BYTES} bytes`);
  const high = readU32(bytes, offset);
  const low = readU32(bytes, offset + 4);
  const slot = (high ^ low) & (SLOTS - 1);
  const kept = texts[slot];
  if (kept !== undefined && keys[2 * slot] === high && keys[2 * slot + 1] === low) return kept;
  const text = toHex(bytes, offset, offset + BYTES) as IncarnationId;
  keys[2 * slot] = high;
  keys[2 * slot + 1] = low;
  texts[slot] = text;
  return text;
}
