/** So many at once and no more; who comes later waits for its turn. */
export class Permits {
  private readonly waiting: (() => void)[] = [];

  constructor(private left: number) {}

  /** Resolves once there is room. Every one must be given back. */
  acquire(): Promise<void> {
    if (this.left > 0) {
      this.left--;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  release(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.left++;
    else next();
  }
}
