import type { FolderId } from '../model/identifiers.js';

export const SHARDS = 8;

/** Folders that were assigned once and are not open any more, whose shard is remembered. */
const MAX_REMEMBERED = 4_096;

/**
 * Which of the eight index streams a folder's entries travel on.
 *
 * 1. A folder keeps its shard for as long as the session lasts: what is still on its way from before it was closed stays
 *    ahead of what follows when it is opened again.
 * 2. A folder that comes new goes to a shard that carries fewest open folders.
 */
export class ShardAssignment {
  private readonly shardOf = new Map<FolderId, number>();
  private readonly open = new Set<FolderId>();
  private readonly loads = new Array<number>(SHARDS).fill(0);

  assign(folder: FolderId): number {
    const shard = this.shardOf.get(folder) ?? this.leastLoaded();
    this.shardOf.set(folder, shard);
    if (!this.open.has(folder)) this.loads[shard] = (this.loads[shard] ?? 0) + 1;
    this.open.add(folder);
    return shard;
  }

  /** The folder is not exchanged any more. */
  release(folder: FolderId): void {
    const shard = this.shardOf.get(folder);
    if (shard === undefined || !this.open.delete(folder)) return;
    this.loads[shard] = (this.loads[shard] ?? 1) - 1;
    if (this.shardOf.size > MAX_REMEMBERED) this.forgetOldest();
  }

  /** Open folders of each shard. */
  get load(): readonly number[] {
    return this.loads;
  }

  private leastLoaded(): number {
    let best = 0;
    for (const [shard, load] of this.loads.entries()) if (load < (this.loads[best] ?? 0)) best = shard;
    return best;
  }

  private forgetOldest(): void {
    for (const folder of this.shardOf.keys()) {
      if (this.open.has(folder)) continue;
      this.shardOf.delete(folder);
      return;
    }
  }
}
