/** How much memory requests may hold, all callers together: what is coming in, what waits, and what runs. */
export class IntakeBudget {
  #heldBytes = 0;
  #waste: Uint8Array | undefined;

  constructor(
    private readonly maxHeldBytes: number,
    private readonly maxFrameBytes: number,
  ) {}

  get heldBytes(): number {
    return this.#heldBytes;
  }

  take(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.maxHeldBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#heldBytes -= bytes;
  }

  /**
   * A place for bytes that nobody will look at, the same for all. A stream has to be read although there is no room for
   * what it brings: unread, it would in the end stop the whole connection.
   */
  discard(length: number): Uint8Array {
    if (this.#waste === undefined || this.#waste.length < length)
      this.#waste = Buffer.allocUnsafeSlow(Math.max(length, this.maxFrameBytes));
    return this.#waste.subarray(0, length);
  }

  isDiscarded(bytes: Uint8Array): boolean {
    return this.#waste !== undefined && bytes.buffer === this.#waste.buffer;
  }
}
