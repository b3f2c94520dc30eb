import { type FileEntry, sameContent } from '../core/model/file-entry.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { Blake3 } from '../core/ports/clock.js';
import type { IndexRow } from '../core/ports/content-index.js';
import { conflictCopyOf } from '../core/reconcile/conflict-copy.js';
import { wasSeenBy } from '../core/reconcile/was-seen.js';
import { isSettled } from './held-state.js';

/**
 * Where a version that lost unseen has to be kept before it counts as durable here. Whoever holds it makes that copy, at a
 * path that only the version decides. Undefined when nothing is to be waited for: it was seen, it holds nothing, or its
 * copy stands here.
 */
export function awaitedCopyPath(
  lost: FileEntry,
  winner: FileEntry,
  get: (path: RelativePath) => IndexRow | undefined,
  blake3: Blake3,
): RelativePath | undefined {
  const { content } = lost.version;
  if (content.type === 'deleted' || content.type === 'directory') return undefined;
  if (sameContent(content, winner.version.content) || wasSeenBy(lost.version, winner.version))
    return undefined;
  const { path } = conflictCopyOf(lost, blake3);
  const copy = get(path);
  return copy?.known !== undefined && isSettled(copy) ? undefined : path;
}
