import type { ChunkRef, Content } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';
import type { DirectoryPath, RelativePath } from '../model/relative-path.js';

/**
 * The disk below one folder, as the scanner, the applier and the chunk server need it. Everything is relative to the
 * folder and reached through directory handles, component by component, without following links.
 *
 * Operations come in batches, because the real one runs in worker threads. Failures of single paths are data.
 * The folder's own area (`.landropic/`) is addressed by {@link AreaPath}, so that no path of an entry can reach it.
 */
export interface FolderDisk {
  /** Names and lstats of one directory. Fails as a whole: a directory is listed completely or not at all. */
  list(directory: DirectoryPath): Promise<DiskResult<DirectoryListing>>;
  stat(paths: readonly RelativePath[]): Promise<readonly DiskResult<FileStat | undefined>[]>;
  /** Reads, chunks and hashes; retried by the caller when `stat` moved meanwhile (`changed-meanwhile`). */
  hash(path: RelativePath, expected: FileStat, signal: AbortSignal): Promise<DiskResult<HashedFile>>;
  /** Hashes many small files in one go, each at most 1 MiB; results in order. */
  hashSmall(
    files: readonly { path: RelativePath; expected: FileStat }[],
  ): Promise<readonly DiskResult<HashedFile>[]>;
  /** Reads ranges of files (or of partials) and returns only those whose BLAKE3 is the one asked for. */
  readChunks(
    requests: readonly ReadChunk[],
    /** Where to put them when they fit, one after another; else they come in memory of their own. */
    into?: SharedArrayBuffer,
  ): Promise<readonly (Uint8Array | undefined)[]>;

  /** Opens or creates the partial file of a content, sized to it; says which chunks it already holds, by hash. */
  openPartial(
    content: Content & { type: 'file' },
  ): Promise<DiskResult<{ readonly present: readonly boolean[] }>>;
  /** Writes chunks at their offsets after checking their hashes; one result each. Buffers that are not shared are handed over. */
  writeChunks(
    hash: ContentHash,
    writes: readonly WriteChunk[],
  ): Promise<readonly DiskResult<'written' | 'wrong-hash'>[]>;
  /** Copies chunks from local files into the partial where their hashes are right; says which were. */
  copyChunks(hash: ContentHash, copies: readonly CopyChunk[]): Promise<readonly boolean[]>;
  /**
   * Hashes the partial's first bytes while the rest is on its way, so that `finishPartial` has less to do. All chunks up to
   * there must be right and in place. A hint: it may do nothing, and `finishPartial` says the same with and without it.
   */
  hashAhead(hash: ContentHash, untilBytes: number): Promise<void>;
  /** Checks the whole file's hash (when it has more than one chunk) and flushes it. */
  finishPartial(content: Content & { type: 'file' }): Promise<DiskResult<'complete' | 'wrong-hash'>>;
  discardPartial(hash: ContentHash): Promise<void>;
  /** Hashes of the contents of which a partial lies there. */
  listPartials(): Promise<readonly ContentHash[]>;

  /** Runs steps in order, for each item up to its first failure; items are independent. One flush a directory. */
  run(items: readonly DiskStep[][]): Promise<readonly StepResult[][]>;
  /** Flushes these directories (fsync), after the renames of a batch. */
  flushDirectories(
    directories: readonly (DirectoryPath | { readonly area: AreaPath })[],
  ): Promise<DiskResult<void>>;
  freeBytes(): Promise<DiskResult<{ readonly freeBytes: number; readonly totalBytes: number }>>;
}

export type DiskResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: DiskError };

/**
 * `code` is the system's (ENOENT, EACCES, ENOSPC, …) or one of ours: `changed-meanwhile`, `aborted`, `not-as-expected`,
 * `wrong-hash`, `not-a-file`, `submount` (another file system is mounted there), `own-area` (an entry's path that leads
 * into `.landropic/`), `root-missing` (the folder or its marker is not there: nothing may be concluded from that).
 */
export interface DiskError {
  readonly code: string | 'changed-meanwhile' | 'aborted';
  readonly message: string;
}

export interface FileStat {
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  readonly device: bigint;
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly links: number;
}

export interface DirectoryListing {
  readonly stat: FileStat;
  readonly entries: readonly { readonly name: string; readonly stat: FileStat; readonly target?: string }[];
  /** Names that are not UTF-8, shown escaped. */
  readonly unreadableNames: readonly string[];
}

export interface HashedFile {
  readonly stat: FileStat;
  readonly content: Content & { type: 'file' };
}

export interface ReadChunk {
  readonly path: RelativePath;
  readonly offsetBytes: number;
  readonly chunk: ChunkRef;
}

export interface WriteChunk {
  readonly offsetBytes: number;
  readonly chunk: ChunkRef;
  readonly bytes: Uint8Array;
}

export interface CopyChunk {
  /** A live file of this folder, or a file in another folder on this device by its absolute root. */
  readonly from: { readonly path: RelativePath; readonly offsetBytes: number };
  readonly offsetBytes: number;
  readonly chunk: ChunkRef;
}

/** A path below `.landropic/`: `history/<batch>/<path>`, `tmp/<name>`. Made by the applier only. */
export type AreaPath = string & { readonly __brand: 'AreaPath' };

/** Where a step works: an entry's path, or a path of the folder's own area. */
export type StepPath = { readonly entry: RelativePath } | { readonly area: AreaPath };

/** What {@link FolderDisk.run} can do. No step replaces anything that stands at its target. */
export type DiskStep =
  /** Writes a new temp file with these bytes and flushes it; EEXIST when it is there. Result: its stat. */
  | {
      readonly op: 'write-temp';
      readonly temp: AreaPath;
      readonly bytes: Uint8Array;
      readonly mtimeNs: bigint;
      readonly mode: number;
    }
  /** Sets times and mode of a complete partial and moves it to this temp name. Result: its stat. */
  | {
      readonly op: 'partial-to-temp';
      readonly hash: ContentHash;
      readonly temp: AreaPath;
      readonly mtimeNs: bigint;
      readonly mode: number;
    }
  /** Copies (reflink where possible) an entry's file into a new temp, checks its hash, flushes it. Result: its stat. */
  | {
      readonly op: 'copy-to-temp';
      readonly from: RelativePath;
      /** How much is to be copied, as far as it is known: a large copy is not to hold up small ones. */
      readonly sizeBytes?: number;
      readonly hash: ContentHash;
      readonly temp: AreaPath;
      readonly mtimeNs: bigint;
      readonly mode: number;
    }
  /** link(temp, to), then unlink(temp). EEXIST when something stands there. Result: stat of `to`. */
  | { readonly op: 'link-temp'; readonly temp: AreaPath; readonly to: RelativePath }
  /**
   * Renames; EEXIST when something stands at `to` (checked by link on the way out of the area). A file goes from one
   * entry's path to another only by way of the area. Result: stat of `to`.
   */
  | { readonly op: 'rename'; readonly from: StepPath; readonly to: StepPath }
  /**
   * Fails with `not-as-expected` unless what stands there has this identity (type, size, mtime, inode) and, where a
   * hash is given, is a file of this content. Result: its stat.
   */
  | {
      readonly op: 'expect';
      readonly at: StepPath;
      readonly stat: FileStat | undefined;
      readonly hash?: ContentHash;
    }
  /** Gives a file of the own area that has more than one link an inode of its own. Result: its stat. */
  | { readonly op: 'unshare'; readonly area: AreaPath }
  /** Makes the directory and missing parents of it. Area only. */
  | { readonly op: 'make-area'; readonly area: AreaPath }
  | { readonly op: 'mkdir'; readonly path: RelativePath }
  | { readonly op: 'rmdir'; readonly path: RelativePath }
  | { readonly op: 'symlink'; readonly path: RelativePath; readonly target: string }
  | { readonly op: 'unlink-area'; readonly area: AreaPath }
  /** Removes what lies below `tmp/` under a name with one of these beginnings. */
  | { readonly op: 'clear-temps'; readonly prefixes: readonly string[] }
  | {
      readonly op: 'set-metadata';
      readonly path: RelativePath;
      readonly mtimeNs?: bigint;
      readonly mode?: number;
    }
  /** Result: lstat, undefined when nothing is there. */
  | { readonly op: 'stat'; readonly at: StepPath };

export type StepResult =
  | { readonly ok: true; readonly stat?: FileStat }
  | { readonly ok: false; readonly error: DiskError };
