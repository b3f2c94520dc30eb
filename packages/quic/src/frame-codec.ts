/** Frames on a byte stream: `type: u8 · length: u32 big-endian · payload: length bytes`. Pure. */

export const FRAME_HEADER_BYTES = 5;
/** Shorter rests of a payload are read together with what follows them. */
const MIN_DIRECT_BYTES = 16 * 1024;

export interface RawFrame {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** The largest payload of this frame type here, in bytes; `undefined` when the type does not belong on this stream. */
export type FrameLimit = (type: number) => number | undefined;

export class FrameError extends Error {
  override readonly name = 'FrameError';
  constructor(
    readonly code: 'too-long' | 'unexpected-type' | 'truncated',
    message: string,
  ) {
    super(message);
  }
}

export function encodeFrame(type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  frame[0] = type;
  new DataView(frame.buffer).setUint32(1, payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** What stands before a payload of that length, for those who write the payload by itself. */
export function encodeFrameHead(type: number, payloadBytes: number): Uint8Array {
  const head = new Uint8Array(FRAME_HEADER_BYTES);
  head[0] = type;
  new DataView(head.buffer).setUint32(1, payloadBytes);
  return head;
}

/** Cuts a stream of bytes into frames. A length is held against its limit before a byte of the payload is kept. */
export class FrameDecoder {
  private readonly header = new Uint8Array(FRAME_HEADER_BYTES);
  private headerBytes = 0;
  private payload: Uint8Array | undefined;
  private payloadBytes = 0;

  /** `allocate`: buffers for payloads that come in several pieces; all of a buffer is written before it is handed up. */
  constructor(
    private readonly limitOf: FrameLimit,
    private readonly allocate: (length: number) => Uint8Array = newPayload,
  ) {}

  /** Where the next bytes belong, when a long payload is under way: read there, they need not be copied. */
  get wanted(): Uint8Array | undefined {
    if (this.payload === undefined) return undefined;
    const rest = this.payload.subarray(this.payloadBytes);
    return rest.length >= MIN_DIRECT_BYTES ? rest : undefined;
  }

  /** So many bytes were put into {@link wanted}. Returns the frame that they complete. */
  filled(count: number): RawFrame | undefined {
    const { payload } = this;
    if (payload === undefined) return undefined;
    this.payloadBytes += count;
    if (this.payloadBytes < payload.length) return undefined;
    const type = this.header[0] ?? 0;
    this.reset();
    return { type, payload };
  }

  /** The frames that these bytes complete. Payloads may share memory with `bytes`. Throws {@link FrameError}. */
  push(bytes: Uint8Array): RawFrame[] {
    const frames: RawFrame[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.headerBytes < FRAME_HEADER_BYTES) {
        at = this.takeHeader(bytes, at);
        if (this.headerBytes < FRAME_HEADER_BYTES) break;
      }
      at = this.takePayload(bytes, at, frames);
    }
    return frames;
  }

  /** Throws when the stream has ended inside a frame. */
  end(): void {
    if (this.headerBytes > 0) throw new FrameError('truncated', 'the stream ended inside a frame');
  }

  private takeHeader(bytes: Uint8Array, from: number): number {
    let at = from;
    while (this.headerBytes < FRAME_HEADER_BYTES && at < bytes.length)
      this.header[this.headerBytes++] = bytes[at++] ?? 0;
    if (this.headerBytes === FRAME_HEADER_BYTES) this.checkHeader();
    return at;
  }

  private checkHeader(): void {
    const type = this.header[0] ?? 0;
    const limit = this.limitOf(type);
    if (limit === undefined)
      throw new FrameError('unexpected-type', `a frame of type 0x${type.toString(16)} does not belong here`);
    if (this.length() > limit)
      throw new FrameError(
        'too-long',
        `a frame of type 0x${type.toString(16)} is longer than ${limit} bytes`,
      );
  }

  private takePayload(bytes: Uint8Array, from: number, frames: RawFrame[]): number {
    const length = this.length();
    const available = bytes.length - from;
    if (this.payload === undefined && available >= length) {
      this.emit(bytes.subarray(from, from + length), frames);
      return from + length;
    }
    this.payload ??= this.allocate(length);
    const taken = Math.min(length - this.payloadBytes, available);
    this.payload.set(bytes.subarray(from, from + taken), this.payloadBytes);
    this.payloadBytes += taken;
    if (this.payloadBytes === length) this.emit(this.payload, frames);
    return from + taken;
  }

  private emit(payload: Uint8Array, frames: RawFrame[]): void {
    frames.push({ type: this.header[0] ?? 0, payload });
    this.reset();
  }

  private reset(): void {
    this.headerBytes = 0;
    this.payload = undefined;
    this.payloadBytes = 0;
  }

  private length(): number {
    const [, a = 0, b = 0, c = 0, d = 0] = this.header;
    return a * 0x1000000 + b * 0x10000 + c * 0x100 + d;
  }
}

/** A buffer of its own, not zeroed first: every byte of it is written before it is handed up. */
function newPayload(length: number): Uint8Array {
  return Buffer.allocUnsafeSlow(length);
}
