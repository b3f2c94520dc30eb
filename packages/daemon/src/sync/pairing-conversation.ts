import type { BidiStream, Connection } from '@landropic/quic';
import { encodeFrame, FrameError, readFrames, TransportError } from '@landropic/quic';
import type { PairedDevice, PairingAction, PairingFailure } from '../core/pairing/pairing-action.js';
import type { Clock } from '../core/ports/clock.js';
import { decodePayload, encodePayload, WireError } from '../core/wire/codec.js';
import { CloseCode, StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import { frameLimit } from '../core/wire/limits.js';

/** One side of a pairing, as core/pairing decides it. */
export interface PairingSide {
  readonly deadlineMs: number;
  handle(frame: Frame, nowMs: number): readonly PairingAction[];
  tick(nowMs: number): readonly PairingAction[];
  /** The connection ended by itself. Left out where that decides nothing. */
  disconnected?(): readonly PairingAction[];
}

export interface PairingConversationEvents {
  /** Comes before the answer goes out. Whoever throws here ends the pairing, and no answer is sent. */
  paired(device: PairedDevice): void;
  failed(reason: PairingFailure, text: string): void;
}

/** Carries out what one side of a pairing decides: one connection, one stream, one deadline. */
export class PairingConversation {
  private readonly cancelDeadline: () => void;
  private stream: BidiStream | undefined;

  constructor(
    private readonly deps: { readonly connection: Connection; readonly clock: Clock },
    private readonly side: PairingSide,
    private readonly events: PairingConversationEvents,
  ) {
    const { clock, connection } = deps;
    const delayMs = Math.max(0, side.deadlineMs - clock.monotonicMs());
    this.cancelDeadline = clock.after(delayMs, () => this.perform(side.tick(clock.monotonicMs())));
    void connection.closed.then(() => {
      this.cancelDeadline();
      this.perform(side.disconnected?.() ?? []);
    });
  }

  /** Reads the stream to its end; `first` are bytes of it that came already. Never rejects. */
  async follow(stream: BidiStream, first: Uint8Array, begin: readonly PairingAction[] = []): Promise<void> {
    this.stream = stream;
    try {
      this.perform(begin);
      const limitOf = (type: number) => frameLimit(StreamKind.pairing, type);
      for await (const raw of readFrames(stream, limitOf, first)) {
        const frame = decodePayload(raw.type, raw.payload);
        if (frame !== undefined) this.perform(this.side.handle(frame, this.deps.clock.monotonicMs()));
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** What came breaks the protocol, or something failed here. */
  fail(error: unknown): void {
    const { connection } = this.deps;
    if (error instanceof WireError) void connection.close(error.closeCode, error.message);
    else if (error instanceof FrameError) {
      const code = error.code === 'too-long' ? CloseCode.limitExceeded : CloseCode.protocolError;
      void connection.close(code, error.message);
    } else if (error instanceof TransportError) void connection.close(CloseCode.goodbye, 'the stream ended');
    else void connection.close(CloseCode.internalError, 'pairing failed');
  }

  private perform(actions: readonly PairingAction[]): void {
    for (const action of actions) {
      if (action.do === 'send') this.send(action.frame);
      else if (action.do === 'paired') this.events.paired(action);
      else if (action.do === 'failed') this.events.failed(action.reason, action.text);
      else void this.deps.connection.close(action.code, action.reason);
    }
  }

  private send(frame: Frame): void {
    const { frameType, payload } = encodePayload(frame);
    this.stream?.write(encodeFrame(frameType, payload)).catch((error: unknown) => this.fail(error));
  }
}
