import type { DirectoryListing } from '../../core/ports/folder-disk.js';
import type { PackedListing } from './directory-listing.js';
import { unpackStat } from './stat-record.js';

export function unpackListing({ names, stats, targets, unreadableNames }: PackedListing): DirectoryListing {
  return {
    stat: unpackStat(stats, 0),
    entries: names.map((name, i) => {
      const stat = unpackStat(stats, i + 1);
      const target = targets.get(i);
      return target === undefined ? { name, stat } : { name, stat, target };
    }),
    unreadableNames,
  };
}
