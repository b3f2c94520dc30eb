import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isArea } from './directory-watch.js';

export interface TreeLimit {
  readonly directories: number;
  readonly entries: number;
}

/** True when the tree has no more than so much; stops reading as soon as it has. */
export async function isTreeWithin(rootPath: string, limit: TreeLimit): Promise<boolean> {
  const pending = [''];
  let directories = 0;
  let entries = 0;
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    if (++directories > limit.directories) return false;
    try {
      for (const entry of await readdir(join(rootPath, directory), { withFileTypes: true })) {
        if (++entries > limit.entries) return false;
        if (entry.isDirectory() && !isArea('', join(directory, entry.name)))
          pending.push(join(directory, entry.name));
      }
    } catch {
      // What cannot be read is not watched either; the scan says so.
    }
  }
  return true;
}
