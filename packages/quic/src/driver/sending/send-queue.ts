/** Bytes of one stream that quiche has not taken yet, in order. Never copies large writes; gathers small ones. */
export class SendQueue {
  #chunks: Uint8Array[] = [];
  #first = 0;
  #offset = 0;
  #bytes = 0;

  get bufferedBytes(): number {
    return this.#bytes;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
  }

  /**
   * The next bytes, at most `limitBytes`, without taking them. Small chunks are gathered into `scratch`, so that a
   * thousand small messages do not cost a thousand native calls.
   */
  peek(limitBytes: number, scratch: Uint8Array): Uint8Array {
    const head = this.#chunks[this.#first];
    if (head === undefined || limitBytes <= 0) return EMPTY;
    const headBytes = head.length - this.#offset;
    if (headBytes >= limitBytes || headBytes >= GATHER_BELOW_BYTES || headBytes === this.#bytes) {
      return head.subarray(this.#offset, this.#offset + Math.min(headBytes, limitBytes));
    }
    return this.#gather(Math.min(limitBytes, scratch.length), scratch);
  }

  /** Drops the first `count` bytes: quiche has taken them. */
  advance(count: number): void {
    this.#bytes -= count;
    let left = count;
    while (left > 0) {
      const head = this.#chunks[this.#first];
      if (head === undefined) return;
      const headBytes = head.length - this.#offset;
      if (left < headBytes) {
        this.#offset += left;
        return;
      }
      left -= headBytes;
      this.#offset = 0;
      this.#chunks[this.#first] = EMPTY;
      this.#first += 1;
    }
    this.#compact();
  }

  clear(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#offset = 0;
    this.#bytes = 0;
  }

  #gather(limitBytes: number, scratch: Uint8Array): Uint8Array {
    let length = 0;
    let offset = this.#offset;
    for (let i = this.#first; i < this.#chunks.length && length < limitBytes; i++) {
      const chunk = this.#chunks[i] ?? EMPTY;
      // A large one goes by itself: copying it costs more than a call for the small ones before it.
      if (length > 0 && chunk.length - offset >= GATHER_BELOW_BYTES) break;
      const take = Math.min(chunk.length - offset, limitBytes - length);
      scratch.set(chunk.subarray(offset, offset + take), length);
      length += take;
      offset = 0;
    }
    return scratch.subarray(0, length);
  }

  #compact(): void {
    if (this.#first === this.#chunks.length) {
      this.#chunks.length = 0;
      this.#first = 0;
    } else if (this.#first > 1_024) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
  }
}

const EMPTY = new Uint8Array(0);
const GATHER_BELOW_BYTES = 8_192;
