import type { DirectoryPath } from '../core/model/relative-path.js';
import type { Clock } from '../core/ports/clock.js';

export interface ChangeHintsOptions {
  /** Quiet time after the last hint before the directories are looked at. Default 15 ms. */
  readonly settleMs?: number;
  /** Directories are looked at no later than this after the first hint, however many follow. Default 200 ms. */
  readonly longestMs?: number;
  /** More directories than this are answered by looking at everything. Default 20,000. */
  readonly maxDirectories?: number;
}

export type Hinted =
  | { readonly kind: 'everything' }
  | { readonly kind: 'directories'; readonly paths: readonly DirectoryPath[] };

/** Collects hints until they settle, and hands them over one lot at a time. */
export class ChangeHints {
  private directories = new Set<DirectoryPath>();
  private everything = false;
  private firstHintMs = 0;
  private cancelTimer: (() => void) | undefined;
  private ready: (() => void) | undefined;
  private readonly settleMs: number;
  private readonly longestMs: number;
  private readonly maxDirectories: number;

  constructor(
    private readonly clock: Clock,
    options: ChangeHintsOptions = {},
  ) {
    this.settleMs = options.settleMs ?? 15;
    this.longestMs = options.longestMs ?? 200;
    this.maxDirectories = options.maxDirectories ?? 20_000;
  }

  hint(directory: DirectoryPath, delayMs = this.settleMs): void {
    if (this.isEmpty()) this.firstHintMs = this.clock.monotonicMs();
    if (!this.everything) this.directories.add(directory);
    if (this.directories.size > this.maxDirectories) this.hintEverything();
    this.arm(delayMs);
  }

  hintEverything(): void {
    if (this.isEmpty()) this.firstHintMs = this.clock.monotonicMs();
    this.everything = true;
    this.directories.clear();
    this.arm(this.settleMs);
  }

  isEmpty(): boolean {
    return !this.everything && this.directories.size === 0;
  }

  /** Resolves when hints have settled, at once when they have already; `undefined` when the signal ends the wait. */
  async next(signal: AbortSignal): Promise<Hinted | undefined> {
    if (signal.aborted) return undefined;
    if (this.isEmpty() || this.cancelTimer !== undefined) await this.settled(signal);
    return signal.aborted ? undefined : this.take();
  }

  private settled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.ready = undefined;
        resolve();
      };
      this.ready = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  private take(): Hinted {
    const hinted: Hinted = this.everything
      ? { kind: 'everything' }
      : { kind: 'directories', paths: [...this.directories] };
    this.everything = false;
    this.directories = new Set();
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    return hinted;
  }

  private arm(delayMs: number): void {
    const sinceFirst = this.clock.monotonicMs() - this.firstHintMs;
    const remaining = Math.max(0, Math.min(delayMs, this.longestMs - sinceFirst));
    this.cancelTimer?.();
    this.cancelTimer = this.clock.after(remaining, () => {
      this.cancelTimer = undefined;
      this.ready?.();
    });
  }
}
