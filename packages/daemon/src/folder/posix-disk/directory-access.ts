/** The folder's own area, and the marker without which a folder is taken for gone. */
export const AREA_NAME = '.landropic';

/**
 * Reaches directories below a folder without following links. Made for one batch and closed after it; throws
 * `root-missing` when the folder or its marker is not there.
 */
export interface DirectoryAccess {
  /**
   * What a name of this directory (`''` is the folder itself) is to be put behind to be reached, ending in `/`.
   * Good until the next call.
   */
  prefixOf(directory: string): string;
  /** This path was renamed or removed: what is remembered of it and of what is below it no longer counts. */
  forget(path: string): void;
  close(): void;
}
