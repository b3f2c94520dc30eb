import { randomBytes } from 'node:crypto';
import { CONNECTION_ID_BYTES, deriveResetToken } from '../connection-id.js';

const TOKEN_BYTES = 16;
/** RFC 9000, 10.3: shorter ones are recognizable as what they are. */
const MIN_RESET_BYTES = 5 + TOKEN_BYTES;
/** As long as the smallest packet with a connection ID of ours, so that it does not stand out. */
const MAX_RESET_BYTES = 1 + CONNECTION_ID_BYTES + 4 + 22;
const RESETS_PER_S = 100;

/**
 * Answers packets of connections that nobody here knows any more, so that their sender gives up at once instead of waiting
 * for its timeout: after a crash, the key of the tokens is still the same.
 */
export class StatelessReset {
  #available = RESETS_PER_S;
  #filledAtMs: number;

  constructor(
    private readonly key: Uint8Array,
    now: number,
  ) {
    this.#filledAtMs = now;
  }

  /** The answer to this short-header datagram, or undefined when it gets none. Always smaller than what it answers. */
  answer(datagram: Uint8Array, now: number): Uint8Array | undefined {
    const length = Math.min(datagram.length - 1, MAX_RESET_BYTES);
    if (length < MIN_RESET_BYTES || !this.#takeTurn(now)) return undefined;
    const reset = randomBytes(length);
    // Fixed bit set, header form short.
    reset[0] = ((reset[0] ?? 0) & 0x3f) | 0x40;
    const connectionId = datagram.subarray(1, 1 + CONNECTION_ID_BYTES);
    reset.set(deriveResetToken(this.key, connectionId), length - TOKEN_BYTES);
    return reset;
  }

  #takeTurn(now: number): boolean {
    this.#available = Math.min(
      RESETS_PER_S,
      this.#available + ((now - this.#filledAtMs) * RESETS_PER_S) / 1_000,
    );
    this.#filledAtMs = now;
    if (this.#available < 1) return false;
    this.#available -= 1;
    return true;
  }
}
