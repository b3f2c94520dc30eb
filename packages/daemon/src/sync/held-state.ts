import { compareStamps } from '../core/model/stamp.js';
import type { IndexRow } from '../core/ports/content-index.js';
import type { FileStat } from '../core/ports/folder-disk.js';
import { sameVersion } from '../core/reconcile/version-order.js';

/** Equal in all that tells whether a file was touched: type, size, mtime, ctime, inode, device. */
export function sameStat(a: FileStat | undefined, b: FileStat | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.type === b.type &&
    a.inode === b.inode &&
    a.device === b.device &&
    (a.type === 'directory' ||
      (a.sizeBytes === b.sizeBytes &&
        a.mtimeNs === b.mtimeNs &&
        a.ctimeNs === b.ctimeNs &&
        a.mode === b.mode))
  );
}

/** True when nothing is left to do for this path: what is known stands here, or is a deletion and nothing does. */
export function isSettled(row: IndexRow | undefined): boolean {
  if (row?.known === undefined) return true;
  const { known, held } = row;
  if (held === undefined) return known.version.content.type === 'deleted';
  return (
    sameVersion(held.version, known.version) && compareStamps(held.metadata.stamp, known.metadata.stamp) === 0
  );
}
