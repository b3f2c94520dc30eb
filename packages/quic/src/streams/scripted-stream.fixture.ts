import { type ReceiveStream, TransportError } from '../transport.js';
import { Waiter } from '../waiter.js';

/** A stream that brings what the test says, when it says so. */
export class ScriptedStream implements ReceiveStream {
  readonly id = 0;
  stopCode: number | undefined;
  private left = Buffer.alloc(0);
  private hasEnded = false;
  private waiting: { waiter: Waiter<Uint8Array | null>; into: Uint8Array | undefined } | undefined;

  bring(bytes: Uint8Array): void {
    this.left = Buffer.concat([this.left, bytes]);
    this.serve();
  }

  end(): void {
    this.hasEnded = true;
    this.serve();
  }

  read(into?: Uint8Array): Promise<Uint8Array | null> {
    if (this.waiting !== undefined)
      return Promise.reject(new TransportError('stream-misused', 'read twice at once'));
    this.waiting = { waiter: new Waiter(), into };
    const { promise } = this.waiting.waiter;
    this.serve();
    return promise;
  }

  stop(code: number): void {
    this.stopCode = code;
  }

  private serve(): void {
    if (this.waiting === undefined || (this.left.length === 0 && !this.hasEnded)) return;
    const { waiter, into } = this.waiting;
    this.waiting = undefined;
    if (this.left.length === 0) {
      waiter.resolve(null);
      return;
    }
    const bytes = this.left.subarray(0, into?.length ?? this.left.length);
    this.left = this.left.subarray(bytes.length);
    into?.set(bytes);
    waiter.resolve(into?.subarray(0, bytes.length) ?? new Uint8Array(bytes));
  }
}
