export interface LogLimiterOptions {
  /** Lines of one kind that are let through in one window. Default 5. */
  readonly burst?: number;
  /** Default 60,000. */
  readonly windowMs?: number;
  /** Kinds that are told apart; the one not heard of for longest is forgotten. Default 1,024. */
  readonly maxKinds?: number;
}

interface Kind {
  readonly sinceMs: number;
  admitted: number;
  heldBack: number;
}

/** Bounds what others can make us write: so many lines of a kind in a while, then how many were held back. */
export class LogLimiter {
  private readonly kinds = new Map<string, Kind>();
  private readonly options: Required<LogLimiterOptions>;

  constructor(
    private readonly nowMs: () => number,
    options: LogLimiterOptions = {},
  ) {
    this.options = { burst: 5, windowMs: 60_000, maxKinds: 1_024, ...options };
  }

  /** How many lines of this kind were held back before this one; undefined when this one is to be held back, too. */
  admit(name: string): number | undefined {
    const { burst, windowMs, maxKinds } = this.options;
    const now = this.nowMs();
    const before = this.kinds.get(name);
    if (before !== undefined && now - before.sinceMs < windowMs) {
      if (before.admitted < burst) {
        before.admitted++;
        return 0;
      }
      before.heldBack++;
      return undefined;
    }
    this.kinds.delete(name);
    this.kinds.set(name, { sinceMs: now, admitted: 1, heldBack: 0 });
    for (const oldest of this.kinds.keys()) {
      if (this.kinds.size <= maxKinds) break;
      this.kinds.delete(oldest);
    }
    return before?.heldBack ?? 0;
  }
}
