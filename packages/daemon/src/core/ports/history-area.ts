import type { Content } from '../model/file-entry.js';
import type { AreaPath, DiskResult, FileStat } from './folder-disk.js';

/** What lies in the history of one folder's own area. Paths are those below `history/`; any other is refused (`EINVAL`). */
export interface HistoryArea {
  /**
   * Copies a file into the complete partial of its content, from where the applier takes it (reflink where possible). Of a
   * symlink it only says where it points. `sizeBytes` as far as it is known: a large file is not to hold up small ones.
   */
  takeCopy(area: AreaPath, sizeBytes: number): Promise<DiskResult<HistoryCopy>>;
  /** Removes files, and the directories that hold nothing after that. What is gone already counts as removed. */
  remove(areas: readonly AreaPath[]): Promise<readonly DiskResult<undefined>[]>;
  /** All files, the oldest batches first; at most `limit`. */
  list(limit: number): Promise<DiskResult<readonly HistoryFile[]>>;
}

export interface HistoryCopy {
  readonly stat: FileStat;
  readonly content: Content & { readonly type: 'file' | 'symlink' };
}

export interface HistoryFile {
  readonly area: AreaPath;
  readonly stat: FileStat;
}
