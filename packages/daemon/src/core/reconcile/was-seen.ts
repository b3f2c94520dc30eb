import { type ContentRegister, sameContent } from '../model/file-entry.js';
import { hasSeen } from '../model/version-vector.js';

/**
 * Whether the author of `winner` knew what `loser` holds. If so it may be replaced without a word; if not, and the
 * contents differ, it becomes a conflict copy.
 *
 * A found version has no history, so it counts as seen where its content is among those that the winner replaced.
 */
export function wasSeenBy(loser: ContentRegister, winner: ContentRegister): boolean {
  if (hasSeen(winner.vector, loser.vector)) {
    // One vector never stands for two contents. Where it does, an index was rolled back, and neither has seen the other.
    return !hasSeen(loser.vector, winner.vector) || sameContent(loser.content, winner.content);
  }
  if (!loser.stamp.found || loser.content.type !== 'file') return false;
  return winner.replaced.includes(loser.content.hash);
}
