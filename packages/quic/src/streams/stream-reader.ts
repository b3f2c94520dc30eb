import { type ReceiveStream, TransportError } from '../transport.js';
import { abortedError, untilAborted, type WaitOptions } from './until-aborted.js';

const EMPTY = new Uint8Array(0);

/**
 * The receiving half of a stream, with reads that can be given up. A read that was given up loses nothing: what it would
 * have brought is there for the next one. Use nothing else to read the same stream.
 */
export class StreamReader implements ReceiveStream {
  /** Bytes that were read and not handed up. */
  #kept: Uint8Array;
  /** A read of the stream that its caller gave up, or that failed: the next caller gets what it brings. */
  #unclaimed: Promise<Uint8Array | null> | undefined;
  #isReading = false;

  /** `first` are bytes of the stream that somebody has read already. */
  constructor(
    private readonly stream: ReceiveStream,
    first: Uint8Array = EMPTY,
  ) {
    this.#kept = first;
  }

  get id(): number {
    return this.stream.id;
  }

  /**
   * The next bytes as they come, `null` at the end. `into` is filled where it is given; with a signal the bytes are copied
   * there, because a read that was given up may still write. One read at a time.
   */
  async read(into?: Uint8Array, { signal }: WaitOptions = {}): Promise<Uint8Array | null> {
    if (this.#isReading) throw new TransportError('stream-misused', 'the stream was read twice at once');
    if (signal?.aborted === true) throw abortedError(signal, 'reading');
    if (this.#kept.length > 0) return this.#takeKept(into);
    this.#isReading = true;
    try {
      if (signal === undefined && this.#unclaimed === undefined) return await this.stream.read(into);
      this.#unclaimed ??= this.stream.read();
      const bytes = await untilAborted(this.#unclaimed, signal, 'reading');
      this.#unclaimed = undefined;
      if (bytes === null || into === undefined) return bytes;
      this.#kept = bytes;
      return this.#takeKept(into);
    } finally {
      this.#isReading = false;
    }
  }

  /**
   * Exactly so many bytes, in a buffer of their own. Rejects with `stream-ended` when the stream ends before; what it
   * brought until then can still be read, as it can after the signal.
   */
  async readExactly(sizeBytes: number, options: WaitOptions = {}): Promise<Uint8Array> {
    const all = Buffer.allocUnsafeSlow(sizeBytes);
    let filled = 0;
    try {
      while (filled < sizeBytes) {
        const bytes = await this.read(all.subarray(filled), options);
        if (bytes === null)
          throw new TransportError('stream-ended', `the stream ended after ${filled} of ${sizeBytes} bytes`);
        filled += bytes.length;
      }
      return all;
    } catch (error) {
      if (filled > 0) this.#kept = Buffer.concat([all.subarray(0, filled), this.#kept]);
      throw error;
    }
  }

  /**
   * Everything until the end of the stream. Rejects with `too-long` when that is more than `maxBytes`; then the stream must
   * still be read to its end, or stopped.
   */
  async readToEnd(maxBytes: number, options: WaitOptions = {}): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let total = 0;
    for (;;) {
      const bytes = await this.read(undefined, options);
      if (bytes === null) return Buffer.concat(pieces);
      total += bytes.length;
      if (total > maxBytes)
        throw new TransportError('too-long', `the stream brought more than ${maxBytes} bytes`);
      pieces.push(bytes);
    }
  }

  /**
   * Reads what still comes and throws it away, until the end. This is how to lose interest in a stream: a stop costs
   * credit that never comes back. Beyond `maxBytes` it is stopped with `code` after all. Never rejects.
   */
  async discard({ maxBytes, code }: { readonly maxBytes: number; readonly code: number }): Promise<void> {
    try {
      for (let total = 0; total <= maxBytes; ) {
        const bytes = await this.read();
        if (bytes === null) return;
        total += bytes.length;
      }
    } catch {
      // Reset, or the connection has ended: nothing comes any more.
      return;
    }
    this.stream.stop(code);
  }

  stop(code: number): void {
    this.#kept = EMPTY;
    this.stream.stop(code);
  }

  #takeKept(into: Uint8Array | undefined): Uint8Array {
    const kept = this.#kept;
    if (into === undefined) {
      this.#kept = EMPTY;
      return kept;
    }
    const count = Math.min(into.length, kept.length);
    into.set(kept.subarray(0, count));
    this.#kept = kept.subarray(count);
    return into.subarray(0, count);
  }
}
