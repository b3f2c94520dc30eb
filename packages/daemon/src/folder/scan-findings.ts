import type { Problem } from '../core/model/problem.js';
import type { DirectoryPath, RelativePath } from '../core/model/relative-path.js';
import type { Held } from '../core/ports/content-index.js';
import type { FolderDisk } from '../core/ports/folder-disk.js';
import type { Difference, ScanBatch } from '../core/ports/scanner.js';
import { RootMissingError } from './root-missing-error.js';

type Absent = Difference & { readonly kind: 'absent' };

/** What a scan found and has not yet told. */
export class ScanFindings {
  readonly #disk: FolderDisk;
  readonly #batchSize: number;
  #differences: Difference[] = [];
  #problems: Problem[] = [];
  #listed: DirectoryPath[] = [];

  constructor(disk: FolderDisk, batchSize: number) {
    this.#disk = disk;
    this.#batchSize = batchSize;
  }

  get isFull(): boolean {
    return Math.max(this.#differences.length, this.#problems.length, this.#listed.length) >= this.#batchSize;
  }

  addPresent(differences: readonly Difference[]): void {
    for (const difference of differences) this.#differences.push(difference);
  }

  addAbsent(path: RelativePath, held: Held): void {
    this.#differences.push({ kind: 'absent', path, held });
  }

  addProblems(problems: readonly Problem[]): void {
    for (const problem of problems) this.#problems.push(problem);
  }

  addListed(directory: DirectoryPath): void {
    this.#listed.push(directory);
  }

  async take(): Promise<ScanBatch> {
    const batch = { differences: this.#differences, problems: this.#problems, listed: this.#listed };
    this.#differences = [];
    this.#problems = [];
    this.#listed = [];
    return { ...batch, differences: await this.#confirmAbsences(batch.differences) };
  }

  /** A name that was not in the listing may have come since; only what is gone at a second look is told as gone. */
  async #confirmAbsences(differences: readonly Difference[]): Promise<readonly Difference[]> {
    const absences = differences.filter((difference): difference is Absent => difference.kind === 'absent');
    if (absences.length === 0) return differences;
    const stats = await this.#disk.stat(absences.map(({ path }) => path));
    const refuted = new Set<Difference>();
    for (const [i, absence] of absences.entries()) {
      const stat = stats[i];
      if (stat === undefined || !isGone(stat)) refuted.add(absence);
    }
    return refuted.size === 0 ? differences : differences.filter((difference) => !refuted.has(difference));
  }
}

/** ENOTDIR and ELOOP: its parent is something else now. Any other error says nothing. */
function isGone(stat: Awaited<ReturnType<FolderDisk['stat']>>[number]): boolean {
  if (stat.ok) return stat.value === undefined;
  if (stat.error.code === 'root-missing') throw new RootMissingError(stat.error.message);
  return stat.error.code === 'ENOENT' || stat.error.code === 'ENOTDIR' || stat.error.code === 'ELOOP';
}
