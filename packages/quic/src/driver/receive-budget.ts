/**
 * Bounds what a verified peer can make quiche hold: bytes that arrive and never come out as stream data or datagrams.
 * Headers and tags of packets are never held. Unread data within the windows is fair, acknowledgements of what we send
 * are, and so are frame headers and repeats: a share of what was delivered, and a little that drains at a steady rate.
 * What goes beyond is a flood of frames that only cost us. Times in ms, monotonic.
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

  /** A datagram of this size arrived. */
  noteReceived(bytes: number): void {
    this.#levelBytes += Math.max(0, bytes - PACKET_BYTES);
  }

  /** Read by the application, or otherwise accounted for. */
  noteDelivered(bytes: number): void {
    this.#levelBytes -= bytes + bytes / DELIVERED_PER_OVERHEAD;
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

/** Short header with a 16-byte connection ID, packet number and tag. */
const PACKET_BYTES = 1 + 16 + 1 + 16;
/** One byte of frame headers and of data that came twice is excused for so many that were delivered. */
const DELIVERED_PER_OVERHEAD = 16;
const ACKNOWLEDGEMENT_BYTES = 64;
const OVERHEAD_BYTES_PER_S = 1024 * 1024;
const SLACK_BYTES = 32 * 1024 * 1024;
