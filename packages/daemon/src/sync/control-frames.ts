import { type ReceiveStream, readFrames, TokenBucket } from '@landropic/quic';
import type { Clock } from '../core/ports/clock.js';
import { decodePayload, WireError } from '../core/wire/codec.js';
import { StreamKind } from '../core/wire/frame-types.js';
import type { Frame } from '../core/wire/frames.js';
import { frameLimit, Limits } from '../core/wire/limits.js';

/**
 * The frames of a peer's control stream, those that are passed over left out. Throws {@link WireError} `limit-exceeded` for
 * more of them than any device has to say: each costs the peer nothing, and costs us an answer or more.
 */
export async function* readControlFrames(
  stream: Pick<ReceiveStream, 'read'>,
  rest: Uint8Array,
  clock: Clock,
): AsyncGenerator<Frame, void, void> {
  const { controlFramesAtOnce: capacity, controlFramesPerSecond: refillPerSecond } = Limits;
  const allowance = new TokenBucket({ capacity, refillPerSecond }, clock.monotonicMs());
  for await (const raw of readFrames(stream, (type) => frameLimit(StreamKind.control, type), rest, {
    isUrgent: true,
  })) {
    if (!allowance.tryTake(1, clock.monotonicMs()))
      throw new WireError('limit-exceeded', 'too many control frames a second');
    const frame = decodePayload(raw.type, raw.payload);
    if (frame !== undefined) yield frame;
  }
}
