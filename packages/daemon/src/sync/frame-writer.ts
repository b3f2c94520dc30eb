import { type Connection, encodeFrame, type SendStream, type Urgency } from '@landropic/quic';
import { encodePayload } from '../core/wire/codec.js';
import type { StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';

/** A unidirectional stream of ours, opened with its kind (and what follows the kind); frames go out in order. */
export class FrameWriter {
  private constructor(private readonly stream: SendStream) {}

  static async open(
    connection: Pick<Connection, 'openUni'>,
    options: { readonly kind: StreamKind; readonly urgency: Urgency; readonly head?: readonly number[] },
  ): Promise<FrameWriter> {
    const stream = await connection.openUni({ urgency: options.urgency });
    await stream.write(Uint8Array.of(options.kind, ...(options.head ?? [])));
    return new FrameWriter(stream);
  }

  /** Resolves when there is room for more. Rejects when the connection has ended. */
  async send(frame: Frame): Promise<void> {
    const { frameType, payload } = encodePayload(frame);
    await this.sendEncoded(frameType, payload);
  }

  async sendEncoded(frameType: number, payload: Uint8Array): Promise<void> {
    await this.stream.write(encodeFrame(frameType, payload));
  }

  async finish(): Promise<void> {
    await this.stream.finish();
  }
}
