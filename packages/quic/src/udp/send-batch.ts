/**
 * Packets for one address, of one size but for a shorter last one, side by side: what one system call can send.
 *
 * 1. The batch is `lengthBytes` from `startBytes` on; packets stand at multiples of the size they were asked for with.
 * 2. The buffer that {@link next} gave belongs to the batch once it was {@link add}ed, not before.
 */
export class SendBatch {
  readonly slab = Buffer.allocUnsafeSlow(MAX_BATCH_BYTES);
  startBytes = 0;
  lengthBytes = 0;
  segmentBytes = 0;
  address: Uint8Array | undefined;
  #packets = 0;
  /** Where the packet that comes next will stand. */
  #nextPlace = 0;
  readonly #views = new Map<number, Buffer[]>();
  #current: Buffer[] = [];
  #currentBytes = 0;

  /** Whether a packet of this size can join. */
  fits(sizeBytes: number): boolean {
    if (this.#packets === 0) return true;
    return sizeBytes === this.segmentBytes && this.#nextPlace < this.#current.length;
  }

  isFor(address: Uint8Array): boolean {
    return this.#packets === 0 || this.address === address;
  }

  /** Where to write the next packet; only when it {@link fits}. */
  next(sizeBytes: number): Buffer {
    if (this.#packets === 0) this.#nextPlace = 0;
    if (sizeBytes !== this.#currentBytes) {
      this.#current = this.#viewsOf(sizeBytes);
      this.#currentBytes = sizeBytes;
    }
    return this.#current[this.#nextPlace] ?? Buffer.alloc(sizeBytes);
  }

  /** Takes in the packet that was written last. False when none may follow it. */
  add(lengthBytes: number, address: Uint8Array): boolean {
    if (this.#packets === 0) {
      this.address = address;
      this.segmentBytes = lengthBytes;
      this.startBytes = this.#nextPlace * this.#currentBytes;
    }
    this.#packets += 1;
    this.#nextPlace += 1;
    this.lengthBytes += lengthBytes;
    return lengthBytes === this.#currentBytes;
  }

  clear(): void {
    this.#packets = 0;
    this.lengthBytes = 0;
    this.address = undefined;
  }

  /** Kept per size: making a view for every packet costs as much as routing it. */
  #viewsOf(sizeBytes: number): Buffer[] {
    const known = this.#views.get(sizeBytes);
    if (known !== undefined) return known;
    const count = Math.max(1, Math.min(MAX_SEGMENTS, Math.floor(MAX_BATCH_BYTES / sizeBytes)));
    const views = Array.from({ length: count }, (_, i) =>
      this.slab.subarray(i * sizeBytes, (i + 1) * sizeBytes),
    );
    if (this.#views.size >= MAX_SIZES) this.#views.clear();
    this.#views.set(sizeBytes, views);
    return views;
  }
}

const MAX_SEGMENTS = 64;
/** The largest that the kernel takes at once: the largest UDP payload over IPv4. */
const MAX_BATCH_BYTES = 65_507;
const MAX_SIZES = 16;
