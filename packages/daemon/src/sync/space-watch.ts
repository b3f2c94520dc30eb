import { isSpaceLow, spaceFloorBytes } from '../core/guards/disk-space.js';
import type { Problem } from '../core/model/problem.js';
import type { Clock } from '../core/ports/clock.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';

export interface SpaceWatchDependencies {
  readonly disk: Pick<FolderDisk, 'freeBytes'>;
  readonly clock: Clock;
  /** There is too little room. Called at each look. */
  readonly onLow: () => void;
  /** There is room again, after there was none. */
  readonly onRoom: () => void;
}

/** So fast a disk does not fill up by much, and looking costs one call. */
const LOOK_MS = 2_000;

/** Whether there is room on a folder's disk to fetch contents. Looks only while somebody asks, or waits for room. */
export class SpaceWatch {
  private low: { readonly freeBytes: number; readonly floorBytes: number } | undefined;
  private lookedAtMs = Number.NEGATIVE_INFINITY;
  private looking = false;
  private cancel: (() => void) | undefined;
  private stopped = false;

  constructor(private readonly deps: SpaceWatchDependencies) {}

  /** As it was when last looked, at most a moment ago while this is called again and again. */
  hasRoom(): boolean {
    if (this.deps.clock.monotonicMs() - this.lookedAtMs >= LOOK_MS) void this.look();
    return this.low === undefined;
  }

  problem(): Problem | undefined {
    if (this.low === undefined) return undefined;
    const { freeBytes, floorBytes } = this.low;
    const text =
      `Only ${mib(freeBytes)} are free on its disk. Contents are fetched again, by itself, when there are more than ` +
      `${mib(floorBytes)}.`;
    return { path: '', code: 'disk-full', text };
  }

  /** Looks now; resolves when it knows. */
  async look(): Promise<void> {
    if (this.looking || this.stopped) return;
    this.looking = true;
    const { disk, clock, onLow, onRoom } = this.deps;
    try {
      const space = await disk.freeBytes();
      this.lookedAtMs = clock.monotonicMs();
      // A disk that cannot be asked says so where it is used.
      if (!space.ok || this.stopped) return;
      const wasLow = this.low !== undefined;
      const isLow = isSpaceLow(space.value, wasLow);
      const { freeBytes } = space.value;
      this.low = isLow ? { freeBytes, floorBytes: spaceFloorBytes(space.value) } : undefined;
      if (isLow) onLow();
      else if (wasLow) onRoom();
    } finally {
      this.looking = false;
      if (this.low !== undefined) this.lookLater();
    }
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
  }

  private lookLater(): void {
    this.cancel?.();
    if (!this.stopped) this.cancel = this.deps.clock.after(LOOK_MS, () => void this.look());
  }
}

function mib(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
