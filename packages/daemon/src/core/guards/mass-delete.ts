/** From when on deletions are held: more than both of these within {@link MASS_DELETE_WINDOW_MS}. */
export interface MassDeleteLimits {
  /** Of the files that stood in the folder, 0 to 100. */
  readonly percent: number;
  readonly files: number;
}

export const MASS_DELETE_DEFAULTS: MassDeleteLimits = { percent: 25, files: 100 };
export const MASS_DELETE_WINDOW_MS = 10 * 60_000;

/** Deletions closer together than this are counted as one point in time, so that their list stays short. */
const GRAIN_MS = 1_000;

/** Files deleted within the last ten minutes, and how many the folder had before. */
export class DeletionCount {
  private points: { readonly atMs: number; files: number }[] = [];
  private before = 0;

  /**
   * True when `more` deletions now, of a folder in which `standing` files stand, would make too many. They are not
   * counted by that.
   */
  wouldExceed(more: number, standing: number, nowMs: number, limits: MassDeleteLimits): boolean {
    const deleted = this.total(nowMs) + more;
    const before = Math.max(this.before, standing);
    return deleted > limits.files && deleted * 100 > before * limits.percent;
  }

  /** `standing` files stood when these were found deleted. */
  add(files: number, standing: number, nowMs: number): void {
    if (files === 0) return;
    const total = this.total(nowMs);
    this.before = total === 0 ? standing : Math.max(this.before, standing);
    const last = this.points.at(-1);
    if (last !== undefined && nowMs - last.atMs < GRAIN_MS) last.files += files;
    else this.points.push({ atMs: nowMs, files });
  }

  reset(): void {
    this.points = [];
    this.before = 0;
  }

  private total(nowMs: number): number {
    this.points = this.points.filter(({ atMs }) => nowMs - atMs < MASS_DELETE_WINDOW_MS);
    if (this.points.length === 0) this.before = 0;
    return this.points.reduce((sum, { files }) => sum + files, 0);
  }
}
