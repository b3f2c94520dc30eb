import type { BidiStream, Urgency } from '../../transport.js';
import type { QuicStream } from './stream.js';

/**
 * A peer's stream whose first byte was read to judge it: gives that byte back before everything else. Otherwise it is
 * the stream itself.
 */
export class AuthenticatedStream implements BidiStream {
  #firstByte: number | undefined;

  constructor(
    private readonly stream: QuicStream,
    firstByte: number | undefined,
  ) {
    this.#firstByte = firstByte;
  }

  get id(): number {
    return this.stream.id;
  }

  get kind(): 'bidi' | 'uni' {
    return this.stream.kind;
  }

  get bufferedBytes(): number {
    return this.stream.bufferedBytes;
  }

  read(into?: Uint8Array): Promise<Uint8Array | null> {
    const first = this.#firstByte;
    if (first === undefined || into?.length === 0) return this.stream.read(into);
    this.#firstByte = undefined;
    if (into === undefined) return Promise.resolve(Uint8Array.of(first));
    into[0] = first;
    return Promise.resolve(into.subarray(0, 1));
  }

  stop(code: number): void {
    this.#firstByte = undefined;
    this.stream.stop(code);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.stream.write(bytes);
  }

  finish(): Promise<void> {
    return this.stream.finish();
  }

  reset(code: number): void {
    this.stream.reset(code);
  }

  setUrgency(urgency: Urgency): void {
    this.stream.setUrgency(urgency);
  }
}
