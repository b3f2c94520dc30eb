import { FrameDecoder, type FrameLimit, type RawFrame } from './frame-codec.js';
import type { ReceiveStream } from './transport.js';
import { turnBudget } from './turn-budget.js';

export interface ReadFramesOptions {
  /** Buffers for long payloads, of exactly this length. Default: a new one each. */
  readonly allocate?: (length: number) => Uint8Array;
  /** Goes on before others where all have to wait for a turn. For streams of few and short frames. Default false. */
  readonly isUrgent?: boolean;
}

/**
 * The frames of a stream, as they come, until its end. `first` are bytes that were read before. Throws FrameError on a
 * frame that does not belong or is too long, and what the stream's `read` throws. Where there is much to read, it lets
 * others have their turn in between.
 */
export async function* readFrames(
  stream: Pick<ReceiveStream, 'read'>,
  limitOf: FrameLimit,
  first?: Uint8Array,
  { allocate, isUrgent = false }: ReadFramesOptions = {},
): AsyncGenerator<RawFrame, void, void> {
  const decoder = new FrameDecoder(limitOf, allocate);
  let frames: readonly RawFrame[] = first === undefined ? [] : decoder.push(first);
  for (;;) {
    for (const frame of frames) {
      yield frame;
      const pause = turnBudget.spend(isUrgent);
      if (pause !== undefined) await pause;
    }
    const wanted = decoder.wanted;
    const bytes = await stream.read(wanted);
    if (bytes === null) break;
    frames = wanted === undefined ? decoder.push(bytes) : listOf(decoder.filled(bytes.length));
    const pause = frames.length > 0 ? undefined : turnBudget.spend(isUrgent);
    if (pause !== undefined) await pause;
  }
  decoder.end();
}

function listOf(frame: RawFrame | undefined): readonly RawFrame[] {
  return frame === undefined ? [] : [frame];
}
