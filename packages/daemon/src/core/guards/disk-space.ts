export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

const GIB = 1024 ** 3;
/** From this size on a share of the disk would be more than is needed to keep a system at work. */
const LARGE_BYTES = 20 * GIB;
/** What is left free on a large disk, and the share of a smaller one. */
const LARGE_FLOOR_BYTES = GIB;
const FLOOR_SHARE = 0.01;
/** Once it was too little, it takes this much more than the floor to go on: else it would start and stop with every file. */
const ENOUGH_AGAIN = 1.1;

/** What fetching leaves free: 1 GiB where the file system is larger than 20 GiB, else 1 % of it. */
export function spaceFloorBytes({ totalBytes }: Pick<DiskSpace, 'totalBytes'>): number {
  return totalBytes > LARGE_BYTES ? LARGE_FLOOR_BYTES : totalBytes * FLOOR_SHARE;
}

/** True while contents are not to be fetched. `wasLow`: they were not until now. */
export function isSpaceLow(space: DiskSpace, wasLow: boolean): boolean {
  // A file system that says nothing of its size is not judged.
  if (space.totalBytes <= 0) return false;
  return space.freeBytes < spaceFloorBytes(space) * (wasLow ? ENOUGH_AGAIN : 1);
}
