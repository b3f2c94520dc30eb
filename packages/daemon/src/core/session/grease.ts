/** From 0 up to and without 1. */
export type RandomNumber = () => number;

/** Map keys that no frame will ever use, as 0xE0–0xEF are types that none will have before all skip them. */
const FIRST_RESERVED = 0xe0;
const RESERVED = 16;
const MAX_FRAME_BYTES = 32;
const MAX_VALUE_BYTES = 8;
const CHANCE = 0.5;

/**
 * Things that a peer has to pass over: sent now and then, so that every version that is in use does, and a later one can
 * use the room that the protocol left.
 */
export class Grease {
  constructor(private readonly random: RandomNumber) {}

  /** A frame of a type that is skipped, with anything in it; often none. */
  frame(): { readonly frameType: number; readonly payload: Uint8Array } | undefined {
    if (this.random() >= CHANCE) return undefined;
    return { frameType: this.reserved(), payload: this.bytes(MAX_FRAME_BYTES) };
  }

  /** A feature that nobody has; often none. */
  features(): readonly string[] {
    return this.random() < CHANCE ? [`grease-${this.reserved().toString(16)}`] : [];
  }

  /** A field that nobody knows, for the map of a frame; often none. */
  fields(): readonly (readonly [number, Uint8Array])[] {
    return this.random() < CHANCE ? [[this.reserved(), this.bytes(MAX_VALUE_BYTES)]] : [];
  }

  private reserved(): number {
    return FIRST_RESERVED + Math.floor(this.random() * RESERVED);
  }

  private bytes(max: number): Uint8Array {
    const length = Math.floor(this.random() * (max + 1));
    return Uint8Array.from({ length }, () => Math.floor(this.random() * 256));
  }
}
