import type { RelativePath } from '../core/model/relative-path.js';

/**
 * The paths that the applier is working on. Whoever scans leaves a locked path alone and is called back once it is free,
 * so that the applier's own steps are never taken for a person's change.
 */
export class PathLocks {
  private readonly locked = new Set<RelativePath>();
  private readonly waiting = new Set<RelativePath>();

  constructor(private readonly onFreed: (paths: readonly RelativePath[]) => void) {}

  has(path: RelativePath): boolean {
    return this.locked.has(path);
  }

  /** True when it was free and is now ours. */
  tryLock(path: RelativePath): boolean {
    if (this.locked.has(path)) return false;
    this.locked.add(path);
    return true;
  }

  /** Asks for the path to be named to `onFreed` when it is unlocked. */
  awaitFree(path: RelativePath): void {
    if (this.locked.has(path)) this.waiting.add(path);
    else this.onFreed([path]);
  }

  unlock(paths: Iterable<RelativePath>): void {
    const freed: RelativePath[] = [];
    for (const path of paths) {
      this.locked.delete(path);
      if (this.waiting.delete(path)) freed.push(path);
    }
    if (freed.length > 0) this.onFreed(freed);
  }
}
