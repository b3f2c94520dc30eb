/**
 * One timer for a deadline that moves with every packet. A deadline that moves later leaves the running timer alone and
 * is looked at again when that fires, so that a busy connection does not set a timer per batch.
 */
export class DeadlineTimer {
  #timer: NodeJS.Timeout | undefined;
  #firesAtMs = Number.POSITIVE_INFINITY;
  #deadlineMs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly onDeadline: () => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** `Infinity` disarms. */
  setDeadline(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs;
    if (deadlineMs < this.#firesAtMs) this.#start();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#firesAtMs = Number.POSITIVE_INFINITY;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
  }

  #start(): void {
    clearTimeout(this.#timer);
    const waitMs = Math.max(1, Math.ceil(this.#deadlineMs - this.now()));
    this.#firesAtMs = this.#deadlineMs;
    this.#timer = setTimeout(() => this.#fire(), waitMs);
  }

  #fire(): void {
    this.#timer = undefined;
    this.#firesAtMs = Number.POSITIVE_INFINITY;
    if (this.#deadlineMs === Number.POSITIVE_INFINITY) return;
    if (this.now() + 0.5 < this.#deadlineMs) {
      this.#start();
      return;
    }
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    this.onDeadline();
  }
}
