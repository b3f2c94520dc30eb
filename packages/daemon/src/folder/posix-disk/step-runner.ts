import { type BigIntStats, closeSync, fdatasyncSync, mkdirSync, rmdirSync, symlinkSync } from 'node:fs';
import type { DiskStep } from '../../core/ports/folder-disk.js';
import type { DirectoryAccess } from './directory-access.js';
import { toDiskError } from './disk-failure.js';
import { expectAt, setMetadata } from './entry-steps.js';
import { locateEntry, locateStep, pathOf, reach } from './location.js';
import { linkTemp, lstatAt, renameStep } from './naming-steps.js';
import { type PackedReplies, ReplyPacker } from './step-replies.js';
import { copyToTemp, makeArea, partialToTemp, unlinkArea, unshare, writeTemp } from './temp-steps.js';

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

  constructor(access: DirectoryAccess, expectedStats: number) {
    this.#access = access;
    this.#replies = new ReplyPacker(expectedStats);
  }

  run(items: readonly (readonly DiskStep[])[]): PackedReplies {
    try {
      for (const steps of items) this.#runItem(steps);
    } finally {
      this.#flush();
    }
    return this.#replies.finish();
  }

  #runItem(steps: readonly DiskStep[]): void {
    this.#replies.beginItem();
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
    if (step.op !== 'write-temp') {
      this.#replies.addSuccess(carryOut(this.#access, step));
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

  #flush(): void {
    const unflushed = this.#unflushed;
    this.#unflushed = [];
    for (const { fd, result, temp } of unflushed) {
      try {
        fdatasyncSync(fd);
      } catch (error) {
        this.#replies.failAt(result, toDiskError(error, temp));
      } finally {
        closeSync(fd);
      }
    }
  }
}

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
    default:
      return step.path;
  }
}
