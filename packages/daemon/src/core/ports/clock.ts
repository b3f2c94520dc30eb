/** Time and chance come in from outside, so that a test or a simulation can own them. */
export interface Clock {
  /** Wall clock, ms since 1970. */
  nowMs(): number;
  /** Never goes backwards; ms from an arbitrary start. For deadlines and intervals. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

export type RandomBytes = (count: number) => Uint8Array;

/** BLAKE3, 32 bytes. */
export type Blake3 = (bytes: Uint8Array) => Uint8Array;
