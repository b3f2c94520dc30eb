import type { SendStream, Urgency } from '../transport.js';
import { abortedError, untilAborted, type WaitOptions } from './until-aborted.js';

/** The sending half of a stream, with waits that can be given up. */
export class StreamWriter implements SendStream {
  constructor(private readonly stream: SendStream) {}

  get id(): number {
    return this.stream.id;
  }

  get bufferedBytes(): number {
    return this.stream.bufferedBytes;
  }

  /**
   * Queues the bytes and resolves when there is room for more. The signal ends the wait alone: bytes that are queued are
   * sent. A signal that has come before queues nothing.
   */
  write(bytes: Uint8Array, { signal }: WaitOptions = {}): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(abortedError(signal, 'writing'));
    return untilAborted(this.stream.write(bytes), signal, 'writing');
  }

  /** Writes piece after piece, as fast as the stream takes them. After a failure the stream is neither finished nor reset. */
  async writeFrom(
    pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options: WaitOptions = {},
  ): Promise<void> {
    for await (const piece of pieces) await this.write(piece, options);
  }

  /** Ends the stream after everything written so far. The signal ends the wait, not the end of the stream. */
  finish({ signal }: WaitOptions = {}): Promise<void> {
    return untilAborted(this.stream.finish(), signal, 'finishing');
  }

  reset(code: number): void {
    this.stream.reset(code);
  }

  setUrgency(urgency: Urgency): void {
    this.stream.setUrgency(urgency);
  }
}
