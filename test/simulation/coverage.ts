/** How often each thing happened, over many histories. */
export class Coverage {
  private readonly counts = new Map<string, number>();

  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  get(what: string): number {
    return this.counts.get(what) ?? 0;
  }

  add(other: Coverage): void {
    for (const [what, times] of other.counts) this.count(what, times);
  }

  /** One line each, in order of names. */
  lines(): readonly string[] {
    return [...this.counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, times]) => `${String(times).padStart(9)}  ${what}`);
  }
}
