import type { FolderId } from '../core/model/identifiers.js';
import type { Clock } from '../core/ports/clock.js';
import { type Throttle, ThrottlePace } from '../core/session/throttle-pace.js';

/** A slower push goes out in frames of a quarter of a second: frames of one entry each would cost more than they spare. */
const SHARE_OF_SECOND = 4;

/** Lets index entries of one session out as fast as the peer takes them: all at once, unless it asked for less. */
export class PushGate {
  private readonly pace = new ThrottlePace();
  /** Asked for by the peer, and paused here. */
  private readonly paused = new Set<FolderId>();
  private readonly pausedHere = new Set<FolderId>();
  private readonly waiting = new Set<() => void>();
  private leastEntries = 1;
  private isClosed = false;

  constructor(private readonly clock: Clock) {}

  /** The peer asked for a slower push. */
  isThrottled(): boolean {
    return this.pace.isThrottled(this.clock.monotonicMs());
  }

  throttle(asked: Throttle): void {
    this.pace.ask(asked, this.clock.monotonicMs());
    this.leastEntries = Math.max(1, Math.floor(asked.entriesPerSecond / SHARE_OF_SECOND));
    this.wake();
  }

  /** As the peer asks, or as this device decides: entries go out when neither pauses. */
  setPaused(folder: FolderId, paused: boolean, by: 'peer' | 'here' = 'peer'): void {
    const folders = by === 'peer' ? this.paused : this.pausedHere;
    if (paused) folders.add(folder);
    else folders.delete(folder);
    this.wake();
  }

  isPausedByPeer(folder: FolderId): boolean {
    return this.paused.has(folder);
  }

  /** Nothing goes out any more. */
  close(): void {
    this.isClosed = true;
    this.wake();
  }

  /** Those who wait look again whether they still want to. */
  wake(): void {
    for (const resume of [...this.waiting]) resume();
  }

  /** Resolves with how many entries may go out now, at least one; with 0 when `isOver` says so, or the gate is closed. */
  async admit(folder: FolderId, isOver: () => boolean): Promise<number> {
    while (!isOver() && !this.isClosed) {
      if (this.paused.has(folder) || this.pausedHere.has(folder)) {
        await this.wait(undefined);
        continue;
      }
      const nowMs = this.clock.monotonicMs();
      const allowed = this.pace.allowed(nowMs);
      if (allowed >= this.leastEntries) return allowed;
      await this.wait(this.pace.waitMs(nowMs, this.leastEntries));
    }
    return 0;
  }

  sent(entries: number): void {
    this.pace.sent(entries, this.clock.monotonicMs());
  }

  /** Until it is woken, at most for so long. */
  private wait(atMostMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      let cancel: (() => void) | undefined;
      const resume = () => {
        cancel?.();
        this.waiting.delete(resume);
        resolve();
      };
      if (atMostMs !== undefined) cancel = this.clock.after(Math.max(1, atMostMs), resume);
      this.waiting.add(resume);
    });
  }
}
