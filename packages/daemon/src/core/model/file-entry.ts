import type { ContentHash, DeviceKey } from './identifiers.js';
import type { RelativePath } from './relative-path.js';
import type { Stamp } from './stamp.js';
import type { VersionVector } from './version-vector.js';

export interface ChunkRef {
  readonly hash: ContentHash;
  readonly lengthBytes: number;
}

/** What stands at a path: the part that versions and conflicts are about. */
export type Content =
  | {
      readonly type: 'file';
      readonly sizeBytes: number;
      /** BLAKE3 of the whole file. A file of one chunk has this as its chunk's hash; an empty file has no chunk. */
      readonly hash: ContentHash;
      readonly chunks: readonly ChunkRef[];
    }
  | { readonly type: 'directory' }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'deleted' };

export interface ContentRegister {
  readonly content: Content;
  readonly vector: VersionVector;
  readonly stamp: Stamp;
  /** Hashes of the last file contents that this version replaced, newest first, at most 8. */
  readonly replaced: readonly ContentHash[];
  /** The device whose person made this version. */
  readonly author: DeviceKey;
}

/** What can change without a new version: the larger stamp wins, alone. */
export interface MetadataRegister {
  readonly mtimeNs: bigint;
  readonly executable: boolean;
  /** The permission bits (07777) where the author's system has them. */
  readonly mode?: number;
  readonly stamp: Stamp;
}

/** One path of one folder, in one version. Deleted entries (tombstones) keep the last metadata. */
export interface FileEntry {
  readonly path: RelativePath;
  readonly version: ContentRegister;
  readonly metadata: MetadataRegister;
}

export const MAX_REPLACED_HASHES = 8;

export function isLive(entry: FileEntry): boolean {
  return entry.version.content.type !== 'deleted';
}

/** Same type and same bytes; what vectors, stamps and metadata say does not matter. */
export function sameContent(a: Content, b: Content): boolean {
  if (a.type === 'file') return b.type === 'file' && a.hash === b.hash;
  if (a.type === 'symlink') return b.type === 'symlink' && a.target === b.target;
  return a.type === b.type;
}
