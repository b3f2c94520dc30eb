import type { RelativePath } from '../core/model/relative-path.js';
import type { Clock, RandomBytes } from '../core/ports/clock.js';
import type { AreaPath } from '../core/ports/folder-disk.js';

/** Names that the applier uses in the folder's own area. */

/** Everything that one batch displaces lies below `history/<batch>/`, under its own path. */
export function newHistoryBatch(clock: Clock, randomBytes: RandomBytes): AreaPath {
  const time = new Date(clock.nowMs()).toISOString();
  const day = time.slice(0, 10).replaceAll('-', '');
  return `history/${day}-${time.slice(11, 19).replaceAll(':', '')}-${randomHex(randomBytes, 3)}` as AreaPath;
}

export function historySlot(batch: AreaPath, path: RelativePath): AreaPath {
  return `${batch}/${path}` as AreaPath;
}

/** Beginnings of names below `tmp/` of what came from elsewhere, or stands elsewhere too: nobody misses it. */
export const NEW_PREFIX = 'new-';

export function newTemp(intentId: string): AreaPath {
  return `tmp/${NEW_PREFIX}${intentId}` as AreaPath;
}

/** A person's file on its way from one path to another: never to be cleaned up, only to be put back. */
export function grabTemp(intentId: string): AreaPath {
  return `tmp/grab-${intentId}` as AreaPath;
}

export function partialName(hash: string): AreaPath {
  return `tmp/${hash}.part` as AreaPath;
}

export function parentOfArea(area: AreaPath): AreaPath {
  return area.slice(0, Math.max(0, area.lastIndexOf('/'))) as AreaPath;
}

export function randomHex(randomBytes: RandomBytes, count: number): string {
  return Buffer.from(randomBytes(count)).toString('hex');
}

const TO_BE_VERIFIED = '-v';

/**
 * Sorts by time and by the order within the batch, as recovery has to go. Says as well whether what is displaced has to
 * be hashed before it may be taken for what it was assumed to be.
 */
export function newIntentId(
  batchMs: number,
  index: number,
  isToBeVerified: boolean,
  randomBytes: RandomBytes,
): string {
  const order = `${batchMs.toString(16).padStart(12, '0')}-${index.toString(16).padStart(6, '0')}`;
  return `${order}-${randomHex(randomBytes, 4)}${isToBeVerified ? TO_BE_VERIFIED : ''}`;
}

export function isToBeVerified(intentId: string): boolean {
  return intentId.endsWith(TO_BE_VERIFIED);
}
