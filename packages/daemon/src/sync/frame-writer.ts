import { type Connection, encodeFrame, type SendStream, type Urgency } from '@landropic/quic';
import type { Clock } from '../core/ports/clock.js';
import { encodePayload } from '../core/wire/codec.js';
import type { FieldList } from '../core/wire/frame-codec.js';
import type { StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';

export interface FrameWriterOptions {
  readonly kind: StreamKind;
  readonly urgency: Urgency;
  /** Bytes that follow the kind. */
  readonly head?: readonly number[];
}

/** How long a peer may take to allow one more stream. */
const OPEN_MS = 10_000;

/** A unidirectional stream of ours, opened with its kind (and what follows the kind); frames go out in order. */
export class FrameWriter {
  private constructor(private readonly stream: SendStream) {}

  /** Rejects when the peer allows no stream within 10 s, or the connection has ended. */
  static async open(
    deps: { readonly connection: Pick<Connection, 'openUni'>; readonly clock: Clock },
    options: FrameWriterOptions,
  ): Promise<FrameWriter> {
    const tooLate = new AbortController();
    const cancel = deps.clock.after(OPEN_MS, () => tooLate.abort(new Error('no stream was allowed in time')));
    try {
      const { urgency, kind, head = [] } = options;
      const stream = await deps.connection.openUni({ urgency, signal: tooLate.signal });
      await stream.write(Uint8Array.of(kind, ...head));
      return new FrameWriter(stream);
    } finally {
      cancel();
    }
  }

  /** Written and not yet taken by the transport. */
  get bufferedBytes(): number {
    return this.stream.bufferedBytes;
  }

  /** Resolves when there is room for more. Rejects when the connection has ended. */
  async send(frame: Frame, extra: FieldList = []): Promise<void> {
    const { frameType, payload } = encodeOwn(frame, extra);
    await this.sendEncoded(frameType, payload);
  }

  /** Ends the stream after everything that was sent on it. */
  finish(): Promise<void> {
    return this.stream.finish();
  }

  async sendEncoded(frameType: number, payload: Uint8Array): Promise<void> {
    await this.stream.write(encodeFrame(frameType, payload));
  }
}

/** A frame of ours that is beyond a limit is our own fault, and must not be told as the peer's. */
function encodeOwn(frame: Frame, extra: FieldList): ReturnType<typeof encodePayload> {
  try {
    return encodePayload(frame, extra);
  } catch (cause) {
    throw new Error(`a ${frame.type} frame cannot be sent`, { cause });
  }
}
