import type { Connection } from '@landropic/quic';
import type { Clock } from '../core/ports/clock.js';
import type { Grease } from '../core/session/grease.js';
import { WireError } from '../core/wire/codec.js';
import { StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import { Limits } from '../core/wire/limits.js';
import { FrameWriter } from './frame-writer.js';

export interface ControlStreamDependencies {
  readonly connection: Pick<Connection, 'openUni'>;
  readonly clock: Clock;
  readonly grease: Grease | undefined;
  readonly onFailure: (error: unknown) => void;
}

const CONTROL_URGENCY = 0;
/** Control frames are few and small: who lets so many of them wait does not read them. */
const MAX_BUFFERED_BYTES = 4 * Limits.controlFrameBytes;

/** Our control stream of one session: opened by the first frame, which go out in the order of the calls. */
export class ControlStream {
  private writer: Promise<FrameWriter> | undefined;
  private underWay = 0;
  private onFlushed: (() => void) | undefined;

  constructor(private readonly deps: ControlStreamDependencies) {}

  get isOpen(): boolean {
    return this.writer !== undefined;
  }

  send(frame: Frame): void {
    const { grease } = this.deps;
    // What nobody knows goes where both sides are sure to look at every frame: into the first.
    const extra = frame.type === 'hello' || frame.type === 'helloAck' ? grease?.fields() : undefined;
    this.write((writer) => writer.send(frame, extra));
  }

  /** Now and then a frame that the peer has to pass over. */
  sendGrease(): void {
    const frame = this.deps.grease?.frame();
    if (frame !== undefined) this.write((writer) => writer.sendEncoded(frame.frameType, frame.payload));
  }

  /** Resolves when the transport has taken what was sent, or the time is over; undefined when it has now. */
  flush(timeoutMs: number): Promise<void> | undefined {
    if (this.underWay === 0) return undefined;
    return new Promise((resolve) => {
      const cancel = this.deps.clock.after(timeoutMs, resolve);
      this.onFlushed = () => {
        cancel();
        resolve();
      };
    });
  }

  private write(put: (writer: FrameWriter) => Promise<void>): void {
    const { connection, clock } = this.deps;
    this.writer ??= FrameWriter.open(
      { connection, clock },
      { kind: StreamKind.control, urgency: CONTROL_URGENCY },
    );
    this.underWay++;
    // Frames are queued in the order of these calls: `then` callbacks of one promise run in order.
    this.writer
      .then((writer) => {
        if (writer.bufferedBytes > MAX_BUFFERED_BYTES)
          throw new WireError('limit-exceeded', 'the control stream is not read');
        return put(writer);
      })
      .catch((error: unknown) => this.deps.onFailure(error))
      .finally(() => {
        if (--this.underWay === 0) this.onFlushed?.();
      });
  }
}
