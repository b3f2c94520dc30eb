import {
  childPath,
  type DirectoryPath,
  parseRelativePath,
  type RelativePath,
} from '../core/model/relative-path.js';
import type { FileStat, FolderDisk } from '../core/ports/folder-disk.js';
import { type ContentThere, FirstMerge, type MergePreview } from '../core/preview/first-merge.js';

interface ToHash {
  readonly path: RelativePath;
  readonly expected: FileStat;
}

const SMALL_FILE_BYTES = 1024 * 1024;
const BATCH_FILES = 256;

/** Looks through a folder that is not shared yet, and reads only the files that may be equal. Writes nothing. */
export async function compareWithListing(
  disk: Pick<FolderDisk, 'list' | 'hash' | 'hashSmall'>,
  there: ReadonlyMap<RelativePath, ContentThere>,
  signal: AbortSignal,
): Promise<MergePreview> {
  const merge = new FirstMerge(there);
  const directories: DirectoryPath[] = [''];
  let small: ToHash[] = [];
  const hashSmall = async () => {
    const results = small.length === 0 ? [] : await disk.hashSmall(small);
    for (const [i, { path }] of small.entries()) {
      const result = results[i];
      merge.hashed(path, result?.ok === true ? result.value.content.hash : undefined);
    }
    small = [];
  };
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    signal.throwIfAborted();
    const listed = await disk.list(directory);
    for (const { name, stat, target } of listed.ok ? listed.value.entries : []) {
      if (directory === '' && name === '.landropic') continue;
      // A name that is not synced, as it is found: then nothing below it is either.
      const path = parseRelativePath(childPath(directory, name));
      if (path === undefined) continue;
      if (stat.type === 'directory') directories.push(path);
      else if (stat.type === 'symlink') merge.standsHere(path, { type: 'symlink', target: target ?? '' });
      else if (
        stat.type === 'file' &&
        merge.standsHere(path, stat as FileStat & { type: 'file' }) === 'to-hash'
      ) {
        if (stat.sizeBytes <= SMALL_FILE_BYTES) small.push({ path, expected: stat });
        else {
          const hashed = await disk.hash(path, stat, signal);
          merge.hashed(path, hashed.ok ? hashed.value.content.hash : undefined);
        }
      }
    }
    if (small.length >= BATCH_FILES) await hashSmall();
  }
  await hashSmall();
  return merge.result();
}
