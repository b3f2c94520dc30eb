/** Hands items from one who adds to one who takes, and lets the one wait when the other is behind. */
export class RequestQueue<T> {
  private readonly items: T[] = [];
  private isEnded = false;
  private wakeTaker: (() => void) | undefined;
  private wakeAdder: (() => void) | undefined;

  constructor(private readonly maxItems: number) {}

  /** Resolves when there is room for another. After the end items are dropped. */
  async add(item: T): Promise<void> {
    if (this.isEnded) return;
    this.items.push(item);
    this.wakeTaker?.();
    while (this.items.length >= this.maxItems && !this.isEnded)
      await new Promise<void>((resolve) => {
        this.wakeAdder = resolve;
      });
  }

  /** The next item; undefined once the queue has ended and everything was taken. */
  async take(): Promise<T | undefined> {
    while (this.items.length === 0 && !this.isEnded)
      await new Promise<void>((resolve) => {
        this.wakeTaker = resolve;
      });
    const item = this.items.shift();
    this.wakeAdder?.();
    return item;
  }

  end(): void {
    this.isEnded = true;
    this.wakeTaker?.();
    this.wakeAdder?.();
  }
}
