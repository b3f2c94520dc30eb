/**
 * Random bytes read as decisions. A structure that is built from bytes can be shrunk by fast-check as bytes are, and costs
 * a fraction of what arbitraries of arbitraries cost. Where the bytes have ended every decision is 0, so whatever is built
 * ends as well.
 */
export class ByteSource {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get isEmpty(): boolean {
    return this.#at >= this.bytes.length;
  }

  byte(): number {
    return this.bytes[this.#at++] ?? 0;
  }

  /** 0 to `count` - 1; `count` is at most 65,536. */
  below(count: number): number {
    const value = count > 256 ? this.byte() * 256 + this.byte() : this.byte();
    return count <= 1 ? 0 : value % count;
  }

  /** True in one of so many cases, and not where the bytes have ended. */
  oneIn(count: number): boolean {
    return !this.isEmpty && this.below(count) === count - 1;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** So many bytes; zeros where there are fewer. */
  take(count: number): Uint8Array {
    const taken = new Uint8Array(count);
    for (let i = 0; i < count; i++) taken[i] = this.byte();
    return taken;
  }
}
