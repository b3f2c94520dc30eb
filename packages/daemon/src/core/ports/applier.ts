import type { FileEntry } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';
import type { Problem } from '../model/problem.js';
import type { RelativePath } from '../model/relative-path.js';
import type { HistoryItem } from './content-index.js';
import type { AreaPath, FileStat } from './folder-disk.js';

/**
 * Brings paths of one folder into a wanted state without ever overwriting anybody's bytes in place: what stands at the
 * path is renamed away first, looked at, and only then is the new content linked in.
 */
export interface Applier {
  /**
   * Applies a batch: temps and intents, renames, directories, index commit, in this order of flushing. Items are
   * independent but run in the order given (parents before children when making, children first when removing).
   * The caller holds the paths' locks.
   */
  apply(tasks: readonly ApplyTask[]): Promise<readonly ApplyOutcome[]>;
  /**
   * Finishes or withdraws every intent that a crash left; before the first scan. Withdrawn ones are gone from the
   * index when this returns; for each finished one the caller stores what is now held and removes the intent, in one
   * transaction.
   */
  recover(): Promise<readonly Recovered[]>;
}

/** An intent that was found to be carried out, or was carried out now. */
export interface Recovered {
  readonly intentId: string;
  readonly path: RelativePath;
  /** The entry that is now held there. */
  readonly entry: FileEntry;
  /**
   * What stands there; undefined after a removal. With a zero mtime where a person has edited it since, so that the
   * next scan sees a change on top of `entry`.
   */
  readonly stat: FileStat | undefined;
  /** For a move: the path that is no longer held. */
  readonly movedFrom: RelativePath | undefined;
  readonly copy?: { readonly entry: FileEntry; readonly stat: FileStat };
  readonly historyItem?: HistoryItem;
}

export interface ApplyTask {
  readonly path: RelativePath;
  /** The entry that will be held when this is done. */
  readonly entry: FileEntry;
  /** What the index believes to stand there; undefined for nothing. */
  readonly assumed: FileStat | undefined;
  /** Set when `assumed` was hashed too soon after it changed: the content is hashed again before it is replaced. */
  readonly verifyHash: ContentHash | undefined;
  readonly action: ApplyAction;
  /** Where what stands there goes when it goes: to history, or to a conflict copy that is this entry. */
  readonly displaced: { readonly to: 'history' } | { readonly to: 'copy'; readonly entry: FileEntry };
}

export type ApplyAction =
  | { readonly kind: 'file'; readonly from: FileSource }
  | { readonly kind: 'directory' }
  | { readonly kind: 'symlink'; readonly target: string }
  | { readonly kind: 'remove' }
  /** The content stands there already: times and mode alone. */
  | { readonly kind: 'metadata' }
  /** The content stands there already and metadata is right: only the version changes. */
  | { readonly kind: 'adopt' }
  /** Renames a local file of the same content, whose own path is to go. */
  | {
      readonly kind: 'move';
      readonly from: RelativePath;
      readonly fromStat: FileStat;
      readonly fromEntry: FileEntry;
    };

export type FileSource =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** The partial of that content, complete and checked. */
  | { readonly kind: 'partial' }
  | { readonly kind: 'copy'; readonly path: RelativePath };

export type ApplyOutcome =
  | {
      readonly outcome: 'applied';
      /** The lstat of what stands there now; undefined after a removal. */
      readonly stat: FileStat | undefined;
      readonly copy?: { readonly entry: FileEntry; readonly stat: FileStat };
      readonly history?: AreaPath;
      /** What `history` is, for the caller to store in the transaction that stores what is held. */
      readonly historyItem?: HistoryItem;
      /** The intent that stands for this in the index; the caller removes it in that transaction. */
      readonly intentId?: string;
    }
  /**
   * Something else stood there than was assumed: it was put back, and is a change of this device's person. The caller
   * has the directory scanned. The intents of all outcomes but `applied` are gone from the index already.
   */
  | { readonly outcome: 'local-edit' }
  /** The source was no longer what it was taken for: fetch again. */
  | { readonly outcome: 'source-gone' }
  | { readonly outcome: 'failed'; readonly problem: Problem; readonly disk: 'ok' | 'full' };
