/**
 * Bounds what a verified peer can make quiche hold: bytes that arrive and never come out as stream data or datagrams.
 * Unread data within the windows is fair, acknowledgements of what we send are, and so is the overhead of small packets,
 * which drains at a steady rate. What goes beyond is a flood of frames that only cost us. Times in ms, monotonic.
 */
export class ReceiveBudget {
  #levelBytes = 0;
  #atMs: number;

  constructor(
    private readonly windowBytes: number,
    now: number,
  ) {
    this.#atMs = now;
  }

  noteReceived(bytes: number): void {
    this.#levelBytes += bytes;
  }

  /** Read by the application, or otherwise accounted for. */
  noteDelivered(bytes: number): void {
    this.#levelBytes -= bytes;
  }

  /** Each packet that we send may be acknowledged. */
  noteSent(packets: number): void {
    this.#levelBytes -= packets * ACKNOWLEDGEMENT_BYTES;
  }

  isExceeded(now: number): boolean {
    this.#levelBytes = Math.max(0, this.#levelBytes - ((now - this.#atMs) * OVERHEAD_BYTES_PER_S) / 1_000);
    this.#atMs = now;
    return this.#levelBytes > this.windowBytes + SLACK_BYTES;
  }
}

const ACKNOWLEDGEMENT_BYTES = 64;
const OVERHEAD_BYTES_PER_S = 1024 * 1024;
const SLACK_BYTES = 32 * 1024 * 1024;
