import type { Clock } from '../core/ports/clock.js';

export interface SharedSlotsOptions {
  readonly slotBytes: number;
  /** Slots at most; whoever finds none makes do with memory of its own. */
  readonly maxSlots: number;
}

/** Memory that nobody has used for this long is given back. */
const IDLE_MS = 10_000;

/**
 * Buffers that threads share, used again and again. Bytes of a transfer that each had a new buffer would have the garbage
 * collector mark the whole heap for every few dozen megabytes that pass.
 */
export class SharedSlots {
  private free: SharedArrayBuffer[] = [];
  private made = 0;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly options: SharedSlotsOptions,
  ) {}

  get slotBytes(): number {
    return this.options.slotBytes;
  }

  /** A slot, to be given back; undefined when all are in use. */
  take(): SharedArrayBuffer | undefined {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    const slot = this.free.pop();
    if (slot !== undefined || this.made >= this.options.maxSlots) return slot;
    this.made++;
    return new SharedArrayBuffer(this.options.slotBytes);
  }

  give(slot: SharedArrayBuffer): void {
    this.free.push(slot);
    if (this.free.length < this.made || this.cancelTimer !== undefined) return;
    this.cancelTimer = this.clock.after(IDLE_MS, () => {
      this.cancelTimer = undefined;
      this.made -= this.free.length;
      this.free = [];
    });
  }
}
