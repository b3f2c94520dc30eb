import { type Content, type FileEntry, type MetadataRegister, sameContent } from '../model/file-entry.js';
import type { DeviceKey, IncarnationId } from '../model/identifiers.js';
import type { RelativePath } from '../model/relative-path.js';
import { compareStamps } from '../model/stamp.js';
import { EMPTY_VECTOR, hasSeen } from '../model/version-vector.js';
import type { Blake3 } from '../ports/clock.js';
import type { Held, IndexRow } from '../ports/content-index.js';
import { conflictCopyOf } from './conflict-copy.js';
import { sameVersion } from './version-order.js';
import { wasSeenBy } from './was-seen.js';

export type Displaced = { readonly to: 'history' } | { readonly to: 'copy'; readonly entry: FileEntry };

/** What has to happen at one path. `entry` is what is held when that is done, as in `ApplyTask`. */
export type PathPlan =
  | { readonly kind: 'settled' }
  /** What is wanted stands there: only the version changes. */
  | { readonly kind: 'adopt'; readonly entry: FileEntry }
  /** The content stands there; times or mode do not. */
  | { readonly kind: 'metadata'; readonly entry: FileEntry }
  | {
      readonly kind: 'file';
      readonly entry: FileEntry;
      readonly content: Content & { readonly type: 'file' };
      readonly displaced: Displaced;
    }
  | {
      readonly kind: 'symlink';
      readonly entry: FileEntry;
      readonly target: string;
      readonly displaced: Displaced;
    }
  /** `implicit`: its own entry is a deletion or not there; it is made for what lives below it, and never authored. */
  | {
      readonly kind: 'directory';
      readonly entry: FileEntry;
      readonly implicit: boolean;
      readonly displaced: Displaced;
    }
  /** Deleted, and a directory stands there that something below still needs: only the version changes. */
  | { readonly kind: 'keep-as-implicit-directory'; readonly entry: FileEntry }
  /**
   * A file or symlink won a path that has live descendants. The path is a directory (one stands there already or is to
   * be made), and the winner goes to its conflict name: `copy` is to be merged into the index like a received entry.
   */
  | {
      readonly kind: 'shadowed';
      readonly entry: FileEntry;
      readonly copy: FileEntry;
      readonly directoryStands: boolean;
      readonly displaced: Displaced;
    }
  | { readonly kind: 'remove'; readonly entry: FileEntry; readonly displaced: Displaced };

export interface PlanContext {
  /** A known entry below this path is live, or something that is not ours to remove stands there. */
  readonly hasLiveBelow: boolean;
  readonly blake3: Blake3;
  /** What is known of another path: whether a conflict copy that would be made was deleted already. */
  readonly knownAt: (path: RelativePath) => FileEntry | undefined;
}

const TO_HISTORY: Displaced = { to: 'history' };
const DELETED: Content = { type: 'deleted' };
const DIRECTORY: Content = { type: 'directory' };

/** A directory that stands here only for what is below it: the version held at its path is not one of a directory. */
export function isImplicitDirectory(held: Held | undefined): boolean {
  return held?.stat.type === 'directory' && held.version.content.type !== 'directory';
}

/**
 * What has to be done so that what stands at a path is what the winning entries say: a pure function of the row and of
 * whether anything lives below. What stands there goes to history where the winner had seen it, else to a conflict copy.
 */
export function planPath(row: Pick<IndexRow, 'path' | 'known' | 'held'>, context: PlanContext): PathPlan {
  const { held } = row;
  const entry = row.known ?? implicitEntry(row.path);
  const wanted = entry.version.content;
  const standing = isImplicitDirectory(held) ? DIRECTORY : (held?.version.content ?? DELETED);
  if (wanted.type !== 'directory' && context.hasLiveBelow) return planImplicit(row, entry, standing, context);
  const displaced = displace(row, entry, context);
  switch (wanted.type) {
    case 'deleted':
      if (standing.type !== 'deleted') return { kind: 'remove', entry, displaced };
      return { kind: 'settled' };
    case 'directory':
      if (standing.type === 'directory') return planStanding(held, entry);
      return { kind: 'directory', entry, implicit: false, displaced };
    case 'file':
      if (sameContent(standing, wanted)) return planStanding(held, entry);
      return { kind: 'file', entry, content: wanted, displaced };
    case 'symlink':
      if (sameContent(standing, wanted)) return planStanding(held, entry);
      return { kind: 'symlink', entry, target: wanted.target, displaced };
  }
}

/** The path has to be a directory although its own entry is not one. */
function planImplicit(
  row: Pick<IndexRow, 'path' | 'known' | 'held'>,
  entry: FileEntry,
  standing: Content,
  context: PlanContext,
): PathPlan {
  const directoryStands = standing.type === 'directory';
  if (directoryStands && isImplicitDirectory(row.held) && isCurrent(row.held, entry)) {
    return { kind: 'settled' };
  }
  if (entry.version.content.type === 'deleted') {
    if (directoryStands) return { kind: 'keep-as-implicit-directory', entry };
    return { kind: 'directory', entry, implicit: true, displaced: displace(row, entry, context) };
  }
  const copy = conflictCopyOf(entry, context.blake3);
  const isWinner = sameContent(standing, entry.version.content);
  const displaced: Displaced = isWinner ? toCopy(copy, context) : displace(row, entry, context);
  return { kind: 'shadowed', entry, copy, directoryStands, displaced };
}

/** The wanted content stands there already. */
function planStanding(held: Held | undefined, entry: FileEntry): PathPlan {
  if (held === undefined) return { kind: 'settled' };
  const kind = entry.version.content.type;
  const stands: Omit<MetadataRegister, 'stamp'> = isImplicitDirectory(held)
    ? { mtimeNs: 0n, executable: (held.stat.mode & 0o100) !== 0, mode: held.stat.mode }
    : held.metadata;
  if (kind !== 'symlink' && differs(stands, entry.metadata, kind === 'file'))
    return { kind: 'metadata', entry };
  return isCurrent(held, entry) && !isImplicitDirectory(held)
    ? { kind: 'settled' }
    : { kind: 'adopt', entry };
}

function isCurrent(held: Held | undefined, entry: FileEntry): boolean {
  if (held === undefined) return false;
  return (
    sameVersion(held.version, entry.version) && compareStamps(held.metadata.stamp, entry.metadata.stamp) === 0
  );
}

/** What of metadata can be seen on a disk; the mtime of a directory follows what is in it and is nobody's. */
function differs(
  stands: Omit<MetadataRegister, 'stamp'>,
  wanted: Omit<MetadataRegister, 'stamp'>,
  withTime: boolean,
): boolean {
  if (withTime && stands.mtimeNs !== wanted.mtimeNs) return true;
  if (stands.mode === undefined || wanted.mode === undefined) return stands.executable !== wanted.executable;
  return stands.mode !== wanted.mode;
}

/** Where what stands at the path goes. Directories hold nothing of their own, and get no copy. */
function displace(row: Pick<IndexRow, 'path' | 'held'>, winner: FileEntry, context: PlanContext): Displaced {
  const { path, held } = row;
  if (held === undefined || isImplicitDirectory(held)) return TO_HISTORY;
  const { content } = held.version;
  if (content.type !== 'file' && content.type !== 'symlink') return TO_HISTORY;
  if (sameContent(content, winner.version.content) || wasSeenBy(held.version, winner.version))
    return TO_HISTORY;
  const losing: FileEntry = { path, version: held.version, metadata: held.metadata };
  return toCopy(conflictCopyOf(losing, context.blake3), context);
}

/** Who deleted a conflict copy deleted it for all, also where it is made only later. */
function toCopy(copy: FileEntry, context: PlanContext): Displaced {
  const known = context.knownAt(copy.path)?.version;
  const wasDeleted = known?.content.type === 'deleted' && hasSeen(known.vector, copy.version.vector);
  return wasDeleted ? TO_HISTORY : { to: 'copy', entry: copy };
}

/**
 * Stands for a path of which nothing is known but that something lives below it. Never stored as known, never sent: its
 * vector is empty, so every version of the path comes after it.
 */
function implicitEntry(path: RelativePath): FileEntry {
  const stamp = { found: true, physicalMs: 0, counter: 0, incarnation: '0000000000000000' as IncarnationId };
  return {
    path,
    version: { content: DELETED, vector: EMPTY_VECTOR, stamp, replaced: [], author: '' as DeviceKey },
    metadata: { mtimeNs: 0n, executable: true, stamp },
  };
}
