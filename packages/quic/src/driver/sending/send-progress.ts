import { StallWatch } from './stall-watch.js';

/** How often to look while bytes wait. */
export const PROGRESS_CHECK_MS = 1_000;

/** Whether waiting bytes move. Times in ms, monotonic. */
export class SendProgress {
  readonly #stall = new StallWatch();
  #hasMoved = false;
  #checkedAtMs = 0;

  noteReceived(now: number): void {
    this.#stall.noteReceived(now);
  }

  /** quiche took bytes. */
  noteTaken(now: number): void {
    this.#hasMoved = true;
    this.#stall.noteProgress(now);
  }

  /** Whether bytes moved since the last check that was due; undefined when none is due yet. */
  check(now: number): boolean | undefined {
    if (now - this.#checkedAtMs < PROGRESS_CHECK_MS) return undefined;
    this.#checkedAtMs = now;
    const hasMoved = this.#hasMoved;
    this.#hasMoved = false;
    return hasMoved;
  }

  isStalled(isUrgentWaiting: boolean, now: number): boolean {
    return this.#stall.isStalled(isUrgentWaiting, now);
  }
}
