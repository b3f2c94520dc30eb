import type { ContentRegister, FileEntry, MetadataRegister } from '../model/file-entry.js';
import type { ContentHash, DeviceKey, FolderId, IncarnationId, IndexId } from '../model/identifiers.js';
import type { Problem } from '../model/problem.js';
import type { DirectoryPath, RelativePath } from '../model/relative-path.js';
import type { AreaPath, FileStat } from './folder-disk.js';

/**
 * The index of one folder on this device: for every path what is on this disk (held) and what should be (known).
 * Synchronous, one transaction a batch; a committed transaction is durable before the call returns.
 */
export interface ContentIndex {
  readonly folder: FolderId;
  identity(): IndexIdentity;
  get(path: RelativePath): IndexRow | undefined;
  /** The rows directly below a directory, tombstones without anything held left out. */
  heldChildren(directory: DirectoryPath): readonly IndexRow[];
  /** All rows below a path, parents before children, tombstones included. */
  rowsBelow(directory: DirectoryPath): IterableIterator<IndexRow>;
  /** True when a known entry below this path is live. */
  hasLiveBelow(path: RelativePath): boolean;
  /** Known entries after `sequence`, in sequence order, at most `limit`. */
  entriesAfter(sequence: number, limit: number): readonly IndexRow[];
  /** The same as the wire codec encoded them, to be sent without decoding; fewer when they are large. */
  encodedEntriesAfter(sequence: number, limit: number): readonly EncodedIndexEntry[];
  /** Rows whose known and held differ, in path order, after `afterPath`. */
  needed(limit: number, afterPath?: RelativePath): readonly IndexRow[];
  /** Paths of held files with this content, at most `limit`. */
  heldWithContent(hash: ContentHash, limit: number): readonly RelativePath[];
  /** Where held files have this chunk, at most `limit`. Also finds files of a single chunk. */
  heldChunk(hash: ContentHash, limit: number): readonly ChunkLocation[];
  /** Held files that were hashed too soon after they changed, and wait to be hashed again. */
  racy(limit: number): readonly IndexRow[];
  counts(): IndexCounts;
  /** Live conflict copies that stand here. */
  conflicts(limit: number): readonly IndexRow[];
  /** Live conflict copies whose `conflictOf` is this path. */
  copiesOf(path: RelativePath): readonly IndexRow[];
  /** What was replaced or deleted at this path, newest first. */
  historyOf(path: RelativePath, limit: number): readonly HistoryItem[];
  /** The same of this directory and all below it (`''`: of the whole folder), newest first. */
  historyBelow(directory: DirectoryPath, limit: number): readonly HistoryItem[];
  oldestHistory(limit: number): readonly HistoryItem[];
  /** Paths that have any history, in order, after `afterPath`. */
  historyPaths(limit: number, afterPath?: RelativePath): readonly RelativePath[];
  peer(device: DeviceKey): PeerWatermarks | undefined;
  intents(): readonly Intent[];
  problems(limit: number): readonly Problem[];
  /** All writes. Everything in one call is one transaction; an exception rolls all of it back. */
  transact<T>(work: (tx: IndexTransaction) => T): T;
  close(): void;
}

export interface EncodedIndexEntry {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly source: DeviceKey | undefined;
}

export interface IndexTransaction {
  get(path: RelativePath): IndexRow | undefined;
  hasLiveBelow(path: RelativePath): boolean;
  copiesOf(path: RelativePath): readonly IndexRow[];
  /** Marks the first complete scan as done. */
  finishFirstScan(): void;
  /** Takes the next sequence number: for the row that is put next, and as counter of an authored version. */
  nextSequence(): number;
  put(row: IndexRow): void;
  /** Forgets a path altogether. For implicit directories and the like; deletions are tombstones. */
  remove(path: RelativePath): void;
  addIntent(intent: Intent): void;
  removeIntent(id: string): void;
  setPeer(device: DeviceKey, watermarks: PeerWatermarks): void;
  removePeer(device: DeviceKey): void;
  setProblem(problem: Problem): void;
  clearProblem(path: string): void;
  addHistory(item: HistoryItem): void;
  removeHistory(item: Pick<HistoryItem, 'path' | 'area'>): void;
}

export interface IndexIdentity {
  readonly indexId: IndexId;
  readonly incarnation: IncarnationId;
  /** The last sequence number taken; 0 when none. */
  readonly sequence: number;
  /** Changes with every commit, 16 hex digits; tells a restored old index from this one. */
  readonly commitTag: string;
  /** False until the first complete scan was committed; until then versions are found, and nothing is exchanged. */
  readonly firstScanDone: boolean;
}

export interface IndexRow {
  readonly path: RelativePath;
  /** Of the last change of `known` or, for relaying, of `held`. */
  readonly sequence: number;
  /** The winner of all versions heard. Undefined for a directory that is here only for what is below it. */
  readonly known: FileEntry | undefined;
  readonly held: Held | undefined;
  /** The device that `known` came from; undefined when it was made here. It need not be told. */
  readonly source: DeviceKey | undefined;
  /** The losing entry that this path is a conflict copy of, when it is one. */
  readonly conflictOf: RelativePath | undefined;
}

/** What stands on this disk, as it was when it was written or hashed. */
export interface Held {
  readonly version: ContentRegister;
  readonly metadata: MetadataRegister;
  readonly stat: FileStat;
  /** Hashed within 2 s of its mtime or ctime: to be hashed again, and before it is replaced. */
  readonly racy: boolean;
}

export interface ChunkLocation {
  readonly path: RelativePath;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface IndexCounts {
  readonly files: number;
  readonly directories: number;
  readonly bytes: number;
  readonly needFiles: number;
  readonly needBytes: number;
  readonly conflicts: number;
}

/** Where a peer and we stand. Each watermark counts for one index ID only. */
export interface PeerWatermarks {
  /** Their index, and up to where all of it is durable here. */
  readonly theirIndexId: IndexId | undefined;
  readonly theirsDurableHere: number;
  /** Our index, and up to where all of it is durable there. */
  readonly ourIndexId: IndexId | undefined;
  readonly oursDurableThere: number;
  /** Paths of ours that they said they cannot place, at most 1,000. */
  readonly unplaceableThere: readonly { readonly path: string; readonly reason: string }[];
}

/** Written with the temp, before anything visible changes; finished or withdrawn at the next start. */
export interface Intent {
  readonly id: string;
  readonly path: RelativePath;
  /** The entry that is to stand there. */
  readonly entry: FileEntry;
  /** What was assumed to stand there. */
  readonly assumed: FileStat | undefined;
  readonly temp: AreaPath | undefined;
  readonly tempInode: bigint | undefined;
  /** Where what stood there is moved to. */
  readonly displacedTo: AreaPath | undefined;
  /** The conflict copy that the displaced content becomes, and its entry. */
  readonly copy: FileEntry | undefined;
  /** For a move: where the file comes from. */
  readonly movedFrom: RelativePath | undefined;
}

export interface HistoryItem {
  readonly path: RelativePath;
  readonly area: AreaPath;
  readonly displacedAtMs: number;
  readonly sizeBytes: number;
  readonly hash: ContentHash | undefined;
  /** `deleted` or `replaced`. */
  readonly reason: 'deleted' | 'replaced';
  /** The device whose person replaced or deleted it; undefined where that is not known. */
  readonly author: DeviceKey | undefined;
}
