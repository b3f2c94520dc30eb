import { readFileSync } from 'node:fs';

const USUAL_QUEUE = 16_384;
const NEARLY = 0.9;

/**
 * The system drops events when its queue is full, and Node does not pass on that it did. But a queue that was full is
 * read in one turn of the event loop: that many events in one turn mean that others were probably lost.
 */
export class OverflowGuess {
  readonly #suspicious: number;
  readonly #onOverflow: () => void;
  #eventsThisTurn = 0;

  constructor(onOverflow: () => void, queueLength = readQueueLength()) {
    this.#onOverflow = onOverflow;
    this.#suspicious = queueLength * NEARLY;
  }

  countEvent(): void {
    if (this.#eventsThisTurn++ > 0) return;
    setImmediate(() => {
      const count = this.#eventsThisTurn;
      this.#eventsThisTurn = 0;
      if (count >= this.#suspicious) this.#onOverflow();
    });
  }
}

function readQueueLength(): number {
  try {
    const limit = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
    return limit > 0 ? limit : USUAL_QUEUE;
  } catch {
    return USUAL_QUEUE;
  }
}
