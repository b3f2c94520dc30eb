/**
 * Finds a connection on which urgent bytes wait although the peer's packets keep coming: a window that leaked away leaves
 * no other trace. Times in ms of one monotonic clock.
 */
export class StallWatch {
  #receivedAtMs = Number.NEGATIVE_INFINITY;
  #waitingSinceMs: number | undefined;

  noteReceived(now: number): void {
    this.#receivedAtMs = now;
  }

  /** quiche took bytes. */
  noteProgress(now: number): void {
    if (this.#waitingSinceMs !== undefined) this.#waitingSinceMs = now;
  }

  isStalled(isUrgentWaiting: boolean, now: number): boolean {
    if (!isUrgentWaiting) {
      this.#waitingSinceMs = undefined;
      return false;
    }
    this.#waitingSinceMs ??= now;
    return now - this.#waitingSinceMs >= STALL_MS && now - this.#receivedAtMs < PEER_ALIVE_MS;
  }
}

const STALL_MS = 5_000;
const PEER_ALIVE_MS = 2_000;
