export interface TurnTaker {
  /** Takes in what has arrived. Whether what the application makes of it should be awaited before anything is sent. */
  takeReceived(): boolean;
  /** Sends what there is to send. */
  send(): void;
}

/**
 * Lets each connection work once per turn of the event loop, after everything that had arrived by then. Where little has
 * arrived, the application is heard first: its answer then goes out in the packet that acknowledges the question. Where
 * much has, it goes the other way round, so that the peer can send more while the application is at work.
 */
export class TurnQueue {
  #waiting = new Set<TurnTaker>();
  #answering = new Set<TurnTaker>();
  #isScheduled = false;

  schedule(taker: TurnTaker): void {
    // Its turn is not over yet: it is about to send anyway.
    if (this.#answering.has(taker)) return;
    this.#waiting.add(taker);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#run());
  }

  delete(taker: TurnTaker): void {
    this.#waiting.delete(taker);
    this.#answering.delete(taker);
  }

  #run(): void {
    this.#isScheduled = false;
    const turn = this.#waiting;
    this.#waiting = new Set();
    try {
      for (const taker of turn) {
        turn.delete(taker);
        this.#begin(taker);
      }
    } finally {
      // One has failed: the turn of the others comes next.
      for (const taker of turn) this.schedule(taker);
      // A tick that is asked for by a microtask comes when all of them have run, and those that they caused.
      if (this.#answering.size > 0) queueMicrotask(() => process.nextTick(() => this.#sendAnswers()));
    }
  }

  #begin(taker: TurnTaker): void {
    this.#answering.add(taker);
    if (taker.takeReceived()) return;
    this.#answering.delete(taker);
    taker.send();
  }

  #sendAnswers(): void {
    const answering = this.#answering;
    this.#answering = new Set();
    for (const taker of answering) taker.send();
  }
}
