/** Three such turns in a row are still far from what somebody notices who waits for an answer. */
const TURN_MS = 4;

/**
 * How long one turn of the event loop may go on with what has come already, all readers together. A stream that is always
 * full would otherwise keep sockets, timers and other streams waiting: reading what is there takes no turn of its own.
 */
class TurnBudget {
  #startedAtMs: number | undefined;

  /** To be asked between two pieces of work. Undefined while this turn may go on; otherwise it resolves in the next one. */
  spend(): Promise<void> | undefined {
    const now = performance.now();
    if (this.#startedAtMs === undefined) {
      this.#startedAtMs = now;
      setImmediate(() => {
        this.#startedAtMs = undefined;
      });
      return undefined;
    }
    return now - this.#startedAtMs < TURN_MS ? undefined : nextTurn();
  }
}

/** There is one event loop, so there is one of these. */
export const turnBudget = new TurnBudget();

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
