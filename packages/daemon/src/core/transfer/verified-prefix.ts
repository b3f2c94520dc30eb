/** How far a file is right from its beginning on without a gap, while its chunks become right in any order. */
export class VerifiedPrefix {
  readonly #isRight: Uint8Array;
  #next = 0;
  #bytes = 0;

  constructor(private readonly chunks: readonly { readonly lengthBytes: number }[]) {
    this.#isRight = new Uint8Array(chunks.length);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The chunk at this place in the file is right. Adding it again changes nothing. */
  add(index: number): void {
    this.#isRight[index] = 1;
    while (this.#isRight[this.#next] === 1) this.#bytes += this.chunks[this.#next++]?.lengthBytes ?? 0;
  }
}
