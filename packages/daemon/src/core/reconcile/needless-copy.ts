import type { ContentRegister } from '../model/file-entry.js';
import { hasSeen } from '../model/version-vector.js';

/**
 * Whether a new winner makes a conflict copy needless: its author worked on top of what the copy holds.
 *
 * That its vector has seen the copy's is not enough. Each device has seen all of its own versions, so the first edit by
 * the loser's author after a conflict would take away the copy, although it was made on top of the winner. Only the
 * hashes of what it replaced tell which of the two its author had before them.
 */
export function isNeedlessCopy(copy: ContentRegister, winner: ContentRegister): boolean {
  if (copy.content.type !== 'file' || !hasSeen(winner.vector, copy.vector)) return false;
  return winner.replaced.includes(copy.content.hash);
}
