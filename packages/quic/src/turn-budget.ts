/** Three such turns in a row are still far from what somebody notices who waits for an answer. */
const TURN_MS = 4;

/**
 * How long one turn of the event loop may go on with what has come already, all readers together. A stream that is always
 * full would otherwise keep sockets, timers and other streams waiting: reading what is there takes no turn of its own.
 * Those who have to wait go on one after the other, each in a turn of its own; what is urgent before the rest, or a short
 * question would wait behind every stream that is full.
 */
class TurnBudget {
  #startedAtMs: number | undefined;
  #isScheduled = false;
  readonly #urgent: (() => void)[] = [];
  readonly #usual: (() => void)[] = [];

  /** To be asked between two pieces of work. Undefined while this turn may go on; otherwise it resolves in a later one. */
  spend(isUrgent = false): Promise<void> | undefined {
    const now = performance.now();
    if (this.#startedAtMs === undefined) {
      this.#startedAtMs = now;
      this.#schedule();
      return undefined;
    }
    if (now - this.#startedAtMs < TURN_MS) return undefined;
    this.#schedule();
    return new Promise((resolve) => (isUrgent ? this.#urgent : this.#usual).push(resolve));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#isScheduled = false;
    this.#startedAtMs = undefined;
    const next = this.#urgent.shift() ?? this.#usual.shift();
    if (next === undefined) return;
    this.#startedAtMs = performance.now();
    this.#schedule();
    next();
  }
}

/** There is one event loop, so there is one of these. */
export const turnBudget = new TurnBudget();
