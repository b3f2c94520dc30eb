import {
  type Content,
  type ContentRegister,
  type FileEntry,
  MAX_REPLACED_HASHES,
  type MetadataRegister,
} from '../model/file-entry.js';
import type { ContentHash, DeviceKey, IncarnationId } from '../model/identifiers.js';
import type { RelativePath } from '../model/relative-path.js';
import { nextStamp, type Stamp } from '../model/stamp.js';
import { EMPTY_VECTOR, extendVector } from '../model/version-vector.js';
import type { IndexRow } from '../ports/content-index.js';
import { largerMetadata } from './version-order.js';

type UnstampedMetadata = Omit<MetadataRegister, 'stamp'>;

export interface Authoring {
  readonly path: RelativePath;
  /** The path as the index has it before this change. */
  readonly row: Pick<IndexRow, 'known' | 'held'> | undefined;
  readonly content: Content;
  /** As it stands on the disk. A deletion keeps the last that is known instead. */
  readonly metadata: UnstampedMetadata;
  readonly incarnation: IncarnationId;
  /** The sequence number taken for this change: the counter of the new version. */
  readonly sequence: number;
  readonly nowMs: number;
  readonly author: DeviceKey;
  /** It was there before the index was: ranked by its mtime, below everything authored. */
  readonly found: boolean;
}

/**
 * The version that a change on this disk makes. It has seen what was held here, and nothing else: a version that was
 * known and never stood on this disk was on nobody's screen, and stays concurrent. Where nothing stands and a deletion
 * is known, that deletion is what was held.
 */
export function authorVersion(change: Authoring): FileEntry {
  const { row, content, incarnation } = change;
  const held = row?.held?.version ?? deletionOf(row?.known);
  const stamp = change.found ? foundStamp(change.metadata.mtimeNs, incarnation) : stampAfter(change);
  return {
    path: change.path,
    version: {
      content,
      vector: extendVector(held?.vector ?? EMPTY_VECTOR, incarnation, change.sequence),
      stamp,
      replaced: held === undefined ? [] : replacedBy(content, held),
      author: change.author,
    },
    metadata: content.type === 'deleted' ? lastMetadata(change, stamp) : stamped(change.metadata, stamp),
  };
}

/** The metadata that a touch or chmod on this disk makes; the content's version stays as it is. */
export function authorMetadata(change: {
  readonly row: Pick<IndexRow, 'known' | 'held'> | undefined;
  readonly metadata: UnstampedMetadata;
  readonly incarnation: IncarnationId;
  readonly nowMs: number;
}): MetadataRegister {
  return stamped(change.metadata, stampAfter(change));
}

function stampAfter(change: Pick<Authoring, 'row' | 'nowMs' | 'incarnation'>): Stamp {
  const { known, held } = change.row ?? {};
  return nextStamp(change.nowMs, change.incarnation, [
    known?.version.stamp,
    known?.metadata.stamp,
    held?.version.stamp,
    held?.metadata.stamp,
  ]);
}

function foundStamp(mtimeNs: bigint, incarnation: IncarnationId): Stamp {
  // BigInt division rounds towards zero; before 1970 that is not the floor.
  const floorMs = (mtimeNs - (((mtimeNs % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n;
  return { found: true, physicalMs: Number(floorMs), counter: 0, incarnation };
}

function deletionOf(known: FileEntry | undefined): ContentRegister | undefined {
  return known?.version.content.type === 'deleted' ? known.version : undefined;
}

/** Newest first. A content that comes back is no longer a replaced one. */
function replacedBy(content: Content, held: ContentRegister): readonly ContentHash[] {
  const own = content.type === 'file' ? content.hash : undefined;
  const last = held.content.type === 'file' ? [held.content.hash] : [];
  return [...new Set([...last, ...held.replaced])]
    .filter((hash) => hash !== own)
    .slice(0, MAX_REPLACED_HASHES);
}

function lastMetadata(change: Authoring, stamp: Stamp): MetadataRegister {
  const held = change.row?.held?.metadata;
  const known = change.row?.known?.metadata;
  if (held !== undefined && known !== undefined) return largerMetadata(held, known);
  return held ?? known ?? stamped(change.metadata, stamp);
}

function stamped(metadata: UnstampedMetadata, stamp: Stamp): MetadataRegister {
  const { mtimeNs, executable, mode } = metadata;
  return mode === undefined ? { mtimeNs, executable, stamp } : { mtimeNs, executable, mode, stamp };
}
