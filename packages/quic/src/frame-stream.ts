import { FrameDecoder, type FrameLimit, type RawFrame } from './frame-codec.js';
import type { ReceiveStream } from './transport.js';

export interface ReadFramesOptions {
  /** Buffers for long payloads, of exactly this length. Default: a new one each. */
  readonly allocate?: (length: number) => Uint8Array;
}

/**
 * The frames of a stream, as they come, until its end. `first` are bytes that were read before. Throws FrameError on a frame that does not belong or is too long,
 * and what the stream's `read` throws.
 */
export async function* readFrames(
  stream: Pick<ReceiveStream, 'read'>,
  limitOf: FrameLimit,
  first?: Uint8Array,
  { allocate }: ReadFramesOptions = {},
): AsyncGenerator<RawFrame, void, void> {
  const decoder = new FrameDecoder(limitOf, allocate);
  if (first !== undefined && first.length > 0) yield* decoder.push(first);
  for (;;) {
    const wanted = decoder.wanted;
    const bytes = await stream.read(wanted);
    if (bytes === null) break;
    if (wanted === undefined) yield* decoder.push(bytes);
    else {
      const frame = decoder.filled(bytes.length);
      if (frame !== undefined) yield frame;
    }
  }
  decoder.end();
}
