import type { RelativePath } from '../core/model/relative-path.js';
import type { AreaPath, FileStat, StepResult } from '../core/ports/folder-disk.js';
import { isAbsence } from './apply-failure.js';
import { sameIdentity } from './posix-disk/stat-record.js';
import { type PutBackDependencies, putBack, rescueName } from './put-back.js';

/** A file that was taken into history, as it was then. */
export interface DisplacedFile {
  readonly path: RelativePath;
  readonly area: AreaPath;
  readonly stat: FileStat;
}

export interface HistoryWatchOptions {
  /** After so long it is looked at again what went to history; twice. Default 5,000. */
  readonly settleMs?: number;
  /** Beyond, the oldest are looked at sooner. Default 20,000. */
  readonly maxFiles?: number;
  /** A file that was written to in history stands in the folder again, under this name: it is to be scanned. */
  readonly onRescued: (path: RelativePath, displaced: DisplacedFile) => void;
  readonly onFailed?: (error: unknown) => void;
}

interface Watched extends DisplacedFile {
  readonly looksLeft: number;
  readonly dueMs: number;
}

const LOOKS = 2;

/**
 * Looks again at what went to history: a program that had the file open goes on writing to it there. What it wrote after
 * the file was displaced nobody has seen, so it becomes a conflict copy.
 */
export class HistoryWatch {
  readonly #dependencies: PutBackDependencies;
  readonly #options: HistoryWatchOptions;
  readonly #settleMs: number;
  /** By the time they are due. */
  #files: Watched[] = [];
  #cancelTimer: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(dependencies: PutBackDependencies, options: HistoryWatchOptions) {
    this.#dependencies = dependencies;
    this.#options = options;
    this.#settleMs = options.settleMs ?? 5000;
  }

  add(file: DisplacedFile): void {
    if (this.#isStopped || file.stat.type !== 'file') return;
    this.#files.push({
      ...file,
      looksLeft: LOOKS,
      dueMs: this.#dependencies.clock.monotonicMs() + this.#settleMs,
    });
    this.#schedule();
  }

  /** Looks at everything once more, and no more after that. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    await this.#looking;
    const left = this.#files.splice(0);
    if (left.length > 0) await this.#look(left);
  }

  #schedule(): void {
    const first = this.#files[0];
    if (first === undefined || this.#cancelTimer !== undefined || this.#isStopped) return;
    const isCrowded = this.#files.length > (this.#options.maxFiles ?? 20_000);
    const delayMs = isCrowded ? 0 : Math.max(0, first.dueMs - this.#dependencies.clock.monotonicMs());
    this.#cancelTimer = this.#dependencies.clock.after(delayMs, () => {
      this.#cancelTimer = undefined;
      this.#looking = this.#lookAtDue(isCrowded)
        .catch((error: unknown) => this.#options.onFailed?.(error))
        .then(() => this.#schedule());
    });
  }

  async #lookAtDue(isCrowded: boolean): Promise<void> {
    const nowMs = this.#dependencies.clock.monotonicMs();
    const count = isCrowded ? this.#files.length : this.#files.findIndex(({ dueMs }) => dueMs > nowMs);
    const due = this.#files.splice(0, count < 0 ? this.#files.length : count);
    const quiet = await this.#look(due);
    if (isCrowded) return;
    for (const file of quiet) {
      if (file.looksLeft > 1) {
        this.#files.push({ ...file, looksLeft: file.looksLeft - 1, dueMs: nowMs + this.#settleMs });
      }
    }
    this.#files.sort((a, b) => a.dueMs - b.dueMs);
  }

  /** Returns those that are as they were. */
  async #look(files: readonly Watched[]): Promise<readonly Watched[]> {
    const results = await this.#dependencies.disk.run(
      files.map(({ area }) => [{ op: 'stat', at: { area } }]),
    );
    const quiet: Watched[] = [];
    for (const [i, file] of files.entries()) {
      const result = results[i]?.[0];
      if (isAsItWas(result, file.stat)) quiet.push(file);
      else if (result?.ok === true && result.stat !== undefined) await this.#rescue(file);
    }
    return quiet;
  }

  async #rescue(file: DisplacedFile): Promise<void> {
    const place = await putBack(this.#dependencies, file.area, rescueName(this.#dependencies, file.path));
    if (typeof place === 'string') this.#options.onRescued(place, file);
  }
}

function isAsItWas(result: StepResult | undefined, was: FileStat): boolean {
  if (result === undefined) return true;
  if (!result.ok) return !isAbsence(result.error);
  return result.stat !== undefined && sameIdentity(result.stat, was);
}
