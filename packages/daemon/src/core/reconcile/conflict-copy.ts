import type { FileEntry } from '../model/file-entry.js';
import type { Blake3 } from '../ports/clock.js';
import { conflictName } from './conflict-name.js';

/**
 * The entry that keeps a losing version. Path, vector and stamp are those of the loser or follow from them: every device
 * that makes it makes the same one, a deletion of it covers also those made later, and a version of the original that had
 * seen the loser has seen the copy.
 */
export function conflictCopyOf(losing: FileEntry, blake3: Blake3): FileEntry {
  const { content, vector, stamp, author } = losing.version;
  return {
    path: conflictName(losing.path, stamp, author, blake3),
    version: { content, vector, stamp, author, replaced: [] },
    metadata: losing.metadata,
  };
}
