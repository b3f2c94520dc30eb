/**
 * Buffers for reading streams. A large read is handed out as part of the slab, without a copy; a small one is copied,
 * so that a short message kept for long does not keep a whole slab alive.
 */
export class ReceiveSlab {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #used = 0;

  /** Where to read into; at least {@link MIN_READ_BYTES}. */
  writable(): Buffer {
    if (SLAB_BYTES - this.#used < MIN_READ_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    return this.#used === 0 ? this.#slab : this.#slab.subarray(this.#used);
  }

  /** The first `count` bytes of what {@link writable} gave, now the caller's. */
  take(count: number): Uint8Array {
    const start = this.#used;
    if (count < COPY_BELOW_BYTES) return Uint8Array.prototype.slice.call(this.#slab, start, start + count);
    this.#used += count;
    return new Uint8Array(this.#slab.buffer, this.#slab.byteOffset + start, count);
  }
}

const SLAB_BYTES = 1024 * 1024;
const MIN_READ_BYTES = 256 * 1024;
const COPY_BELOW_BYTES = 16 * 1024;
