import { FrameDecoder, type FrameLimit, type RawFrame } from './frame-codec.js';
import type { ReceiveStream } from './transport.js';

/**
 * The frames of a stream, as they come, until its end. `first` are bytes that were read before. Throws FrameError on a
 * frame that does not belong or is too long, and what the stream's `read` throws.
 */
export async function* readFrames(
  stream: Pick<ReceiveStream, 'read'>,
  limitOf: FrameLimit,
  first?: Uint8Array,
): AsyncGenerator<RawFrame, void, void> {
  const decoder = new FrameDecoder(limitOf);
  if (first !== undefined && first.length > 0) yield* decoder.push(first);
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) break;
    yield* decoder.push(bytes);
  }
  decoder.end();
}
