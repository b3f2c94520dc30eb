interface ClockEvent {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Time that passes only when told to. Events of the same time run in the order in which they were scheduled. */
export class VirtualClock {
  #nowMs: number;
  #order = 0;
  /** A binary heap by (time, order). */
  readonly #heap: ClockEvent[] = [];
  #isFree = false;
  #isPumping = false;

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Runs `run` after `delayMs`. Returns what cancels it. */
  schedule(delayMs: number, run: () => void): () => void {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run, isCancelled: false };
    this.#push(event);
    if (this.#isFree) this.#pump();
    return () => {
      event.isCancelled = true;
    };
  }

  /**
   * Lets `durationMs` pass, running what falls due. After each event everything that waits on promises gets to run, so
   * that what it schedules is still in time.
   */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await drainMicrotasks();
    for (;;) {
      const event = this.#peek();
      if (event === undefined || event.atMs > endMs) break;
      this.#runNext();
      await drainMicrotasks();
    }
    this.#nowMs = endMs;
  }

  /** From now on time jumps to the next event by itself, as long as there is one. Until {@link halt}. */
  runFreely(): void {
    this.#isFree = true;
    this.#pump();
  }

  halt(): void {
    this.#isFree = false;
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      if (!this.#isFree || this.#peek() === undefined) return;
      this.#runNext();
      this.#pump();
    });
  }

  #runNext(): void {
    const event = this.#pop();
    if (event === undefined) return;
    this.#nowMs = event.atMs;
    event.run();
  }

  /** The next event that still counts. */
  #peek(): ClockEvent | undefined {
    while (this.#heap[0]?.isCancelled === true) this.#pop();
    return this.#heap[0];
  }

  #push(event: ClockEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = event;
  }

  #pop(): ClockEvent | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const takesRight = right !== undefined && isBefore(right, left);
      const child = takesRight ? right : left;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = 2 * at + (takesRight ? 2 : 1);
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(a: ClockEvent, b: ClockEvent): boolean {
  return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs;
}

/** A turn of the event loop: every promise that can go on has gone on. */
function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
