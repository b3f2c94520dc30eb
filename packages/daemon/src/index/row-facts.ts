import {
  type Content,
  type ContentRegister,
  type FileEntry,
  isLive,
  type MetadataRegister,
  sameContent,
} from '../core/model/file-entry.js';
import { compareStamps } from '../core/model/stamp.js';
import { compareVectors } from '../core/model/version-vector.js';
import type { IndexRow } from '../core/ports/content-index.js';
import type { FileStat } from '../core/ports/folder-disk.js';

/** What stands on this disk, as the numbers that the database stores. */
export const Stands = { nothing: 0, file: 1, directory: 2, symlink: 3 } as const;
export type Stands = (typeof Stands)[keyof typeof Stands];

export type FileContent = Content & { readonly type: 'file' };

/** What the queries and the counts ask of a row. The definitions of both are here and nowhere else. */
export interface RowFacts {
  readonly live: boolean;
  /** Known and held differ in version or metadata. A tombstone with nothing there is as it should be. */
  readonly needed: boolean;
  readonly stands: Stands;
  /** The content of the regular file that stands here; undefined for everything else. */
  readonly heldFile: FileContent | undefined;
  /** What has to come from somewhere before the known file can stand here. */
  readonly needBytes: number;
  /** A live conflict copy that stands here. */
  readonly conflict: boolean;
}

export function factsOfRow(row: IndexRow): RowFacts {
  const { known, held } = row;
  const heldContent = held?.version.content;
  const stands = standsOf(held?.stat.type);
  const live = known !== undefined && isLive(known);
  const needed = isNeeded(row);
  return {
    live,
    needed,
    stands,
    heldFile: stands === Stands.file && heldContent?.type === 'file' ? heldContent : undefined,
    needBytes: needed ? missingBytes(known, heldContent) : 0,
    conflict: live && stands !== Stands.nothing && row.conflictOf !== undefined,
  };
}

function isNeeded({ known, held }: IndexRow): boolean {
  if (known === undefined) return false;
  if (held === undefined) return isLive(known);
  return !sameVersion(held.version, known.version) || !sameMetadata(held.metadata, known.metadata);
}

function missingBytes(known: FileEntry | undefined, held: Content | undefined): number {
  const content = known?.version.content;
  if (content?.type !== 'file') return 0;
  return held !== undefined && sameContent(content, held) ? 0 : content.sizeBytes;
}

/** By what lies on the disk: a directory may stand for what is below it where a tombstone or a file is held. */
function standsOf(type: FileStat['type'] | undefined): Stands {
  switch (type) {
    case 'file':
      return Stands.file;
    case 'directory':
      return Stands.directory;
    case 'symlink':
      return Stands.symlink;
    default:
      return Stands.nothing;
  }
}

export function sameVersion(a: ContentRegister, b: ContentRegister): boolean {
  return (
    a === b ||
    (compareStamps(a.stamp, b.stamp) === 0 &&
      sameContent(a.content, b.content) &&
      compareVectors(a.vector, b.vector) === 'equal')
  );
}

export function sameMetadata(a: MetadataRegister, b: MetadataRegister): boolean {
  return (
    a === b ||
    (compareStamps(a.stamp, b.stamp) === 0 &&
      a.mtimeNs === b.mtimeNs &&
      a.executable === b.executable &&
      a.mode === b.mode)
  );
}

/**
 * True when nothing tells the two apart, chunk lists included, so that one can be stored for both. A peer may pair a
 * true hash with a wrong chunk list: what is held must not be described by it.
 */
export function identicalRegisters(
  a: { readonly version: ContentRegister; readonly metadata: MetadataRegister },
  b: { readonly version: ContentRegister; readonly metadata: MetadataRegister },
): boolean {
  if (!sameMetadata(a.metadata, b.metadata)) return false;
  const [mine, other] = [a.version, b.version];
  return (
    mine === other ||
    (sameVersion(mine, other) &&
      mine.author === other.author &&
      mine.replaced.length === other.replaced.length &&
      mine.replaced.every((hash, place) => hash === other.replaced[place]) &&
      identicalContent(mine.content, other.content))
  );
}

function identicalContent(a: Content, b: Content): boolean {
  if (a === b || a.type !== 'file' || b.type !== 'file') return true;
  return (
    a.sizeBytes === b.sizeBytes &&
    a.chunks.length === b.chunks.length &&
    a.chunks.every((chunk, place) => {
      const other = b.chunks[place];
      return chunk.hash === other?.hash && chunk.lengthBytes === other.lengthBytes;
    })
  );
}
