import {
  type BigIntStats,
  closeSync,
  fdatasync,
  fdatasyncSync,
  mkdirSync,
  rmdirSync,
  symlinkSync,
} from 'node:fs';
import { promisify } from 'node:util';
import type { DiskStep, StepPath } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { toDiskError } from './disk-failure.js';
import { expectAt, expectStats, setMetadata } from './entry-steps.js';
import { locateEntry, locateStep, pathOf, reach } from './location.js';
import { linkTemp, lstatAt, renameStep } from './naming-steps.js';
import { type PackedReplies, ReplyPacker } from './step-replies.js';
import {
  clearTemps,
  copyToTemp,
  makeArea,
  partialToTemp,
  unlinkArea,
  unshare,
  writeTemp,
} from './temp-steps.js';

/** A new temp whose bytes are still to be flushed, and where its result is kept. */
interface Unflushed {
  readonly fd: number;
  readonly result: number;
  readonly temp: string;
}

/** Runs one batch of items. Temps that nothing follows in their item are flushed together at the end. */
export class StepRunner {
  readonly #access: DirectoryAccess;
  readonly #replies: ReplyPacker;
  #unflushed: Unflushed[] = [];
  /** What the step before, a rename, found at its target: to look at that again at once would tell nothing new. */
  #arrived: { readonly at: StepPath; readonly stats: BigIntStats } | undefined;

  constructor(access: DirectoryAccess, expectedStats: number) {
    this.#access = access;
    this.#replies = new ReplyPacker(expectedStats);
  }

  /** The steps are done when this returns; what is awaited is the flush. */
  async run(items: readonly (readonly DiskStep[])[]): Promise<PackedReplies> {
    try {
      for (const steps of items) this.#runItem(steps);
    } finally {
      await this.#flush();
    }
    return this.#replies.finish();
  }

  #runItem(steps: readonly DiskStep[]): void {
    this.#replies.beginItem();
    this.#arrived = undefined;
    for (const [index, step] of steps.entries()) {
      try {
        this.#runStep(step, index === steps.length - 1);
      } catch (error) {
        this.#replies.addError(toDiskError(error, nameOfStep(step)));
        return;
      }
    }
  }

  #runStep(step: DiskStep, isLast: boolean): void {
    const arrived = this.#arrived;
    this.#arrived = undefined;
    if (step.op === 'expect' && arrived !== undefined && samePlace(arrived.at, step.at)) {
      this.#replies.addSuccess(expectStats(this.#access, step, arrived.stats));
      return;
    }
    if (step.op !== 'write-temp') {
      const stats = carryOut(this.#access, step);
      if (step.op === 'rename' && stats !== undefined) this.#arrived = { at: step.to, stats };
      this.#replies.addSuccess(stats);
      return;
    }
    const { fd, stats } = writeTemp(this.#access, step);
    if (isLast) {
      this.#unflushed.push({ fd, result: this.#replies.addSuccess(stats), temp: step.temp });
      return;
    }
    try {
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    this.#replies.addSuccess(stats);
  }

  /**
   * One after another as long as that costs nothing, as in memory; then many at a time, because a disk makes one write of
   * flushes that are under way together.
   */
  async #flush(): Promise<void> {
    const unflushed = this.#unflushed;
    this.#unflushed = [];
    let isSlow = false;
    await Promise.all(
      unflushed.map(async ({ fd, result, temp }) => {
        const startedMs = performance.now();
        try {
          if (isSlow) await flushData(fd);
          else fdatasyncSync(fd);
        } catch (error) {
          this.#replies.failAt(result, toDiskError(error, temp));
        } finally {
          closeSync(fd);
        }
        isSlow ||= performance.now() - startedMs > SLOW_FLUSH_MS;
      }),
    );
  }
}

const SLOW_FLUSH_MS = 0.1;
const flushData = promisify(fdatasync);

function carryOut(
  access: DirectoryAccess,
  step: Exclude<DiskStep, { op: 'write-temp' }>,
): BigIntStats | undefined {
  switch (step.op) {
    case 'partial-to-temp':
      return partialToTemp(access, step);
    case 'copy-to-temp':
      return copyToTemp(access, step);
    case 'link-temp':
      return linkTemp(access, step.temp, step.to);
    case 'rename':
      return renameStep(access, step.from, step.to);
    case 'expect':
      return expectAt(access, step);
    case 'unshare':
      return unshare(access, step.area);
    case 'make-area':
      makeArea(access, step.area);
      return undefined;
    case 'mkdir':
      mkdirSync(reach(access, locateEntry(step.path)));
      return lstatAt(access, locateEntry(step.path));
    case 'rmdir': {
      const location = locateEntry(step.path);
      rmdirSync(reach(access, location));
      access.forget(pathOf(location));
      return undefined;
    }
    case 'symlink':
      symlinkSync(step.target, reach(access, locateEntry(step.path)));
      return lstatAt(access, locateEntry(step.path));
    case 'unlink-area':
      unlinkArea(access, step.area);
      return undefined;
    case 'clear-temps':
      clearTemps(access, step.prefixes);
      return undefined;
    case 'set-metadata':
      return setMetadata(access, step);
    case 'stat':
      return lstatAt(access, locateStep(step.at));
  }
}

function nameOfStep(step: DiskStep): string {
  switch (step.op) {
    case 'write-temp':
    case 'partial-to-temp':
    case 'copy-to-temp':
      return step.temp;
    case 'link-temp':
      return step.to;
    case 'rename':
      return 'entry' in step.from ? step.from.entry : step.from.area;
    case 'expect':
    case 'stat':
      return 'entry' in step.at ? step.at.entry : step.at.area;
    case 'make-area':
    case 'unlink-area':
    case 'unshare':
      return step.area;
    case 'clear-temps':
      return 'tmp';
    default:
      return step.path;
  }
}

function samePlace(a: StepPath, b: StepPath): boolean {
  return 'area' in a ? 'area' in b && a.area === b.area : 'entry' in b && a.entry === b.entry;
}
