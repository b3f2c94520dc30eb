import type { RelativePath } from '../../core/model/relative-path.js';
import type { FileStat } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { locateEntry } from './location.js';
import { lstatAt } from './naming-steps.js';
import { toFileStat } from './stat-record.js';

/** The stat of an entry that is there. */
export function statEntryAt(access: DirectoryAccess, path: RelativePath): FileStat {
  const stats = lstatAt(access, locateEntry(path));
  if (stats === undefined) throw new Error(`nothing stands at ${path}`);
  return toFileStat(stats);
}
