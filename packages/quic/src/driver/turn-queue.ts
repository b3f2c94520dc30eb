export interface TurnTaker {
  /** Takes in what has arrived. Whether what the application makes of it should be awaited before anything is sent. */
  takeReceived(): boolean;
  /** Does what is due by now, and sends what there is to send. */
  send(): void;
}

/** After that long, packets that have arrived meanwhile are taken from the socket before others have their turn. */
const MAX_TURN_MS = 8;

/**
 * Lets each connection work once per turn of the event loop, after everything that had arrived by then. Where little has
 * arrived, the application is heard first: its answer then goes out in the packet that acknowledges the question. Where
 * much has, it goes the other way round, so that the peer can send more while the application is at work.
 *
 * A turn of very many connections is cut: else thousands of them that time out together, after this machine was asleep
 * for a while, would send again and again what is already answered, by packets that nobody reads.
 */
export class TurnQueue {
  #waiting = new Set<TurnTaker>();
  /** Those whose turn it is, the first first. */
  #turn = new Set<TurnTaker>();
  #answering = new Set<TurnTaker>();
  #isScheduled = false;

  constructor(private readonly now: () => number = () => performance.now()) {}

  schedule(taker: TurnTaker): void {
    // Its turn is not over yet: it is about to send anyway.
    if (this.#answering.has(taker) || this.#turn.has(taker)) return;
    this.#waiting.add(taker);
    this.#requestRun();
  }

  delete(taker: TurnTaker): void {
    this.#waiting.delete(taker);
    this.#turn.delete(taker);
    this.#answering.delete(taker);
  }

  #requestRun(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    if (this.#turn.size === 0) [this.#turn, this.#waiting] = [this.#waiting, this.#turn];
    const endMs = this.now() + MAX_TURN_MS;
    try {
      for (const taker of this.#turn) {
        this.#turn.delete(taker);
        this.#begin(taker);
        if (this.now() >= endMs) break;
      }
    } finally {
      if (this.#turn.size > 0 || this.#waiting.size > 0) this.#requestRun();
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
