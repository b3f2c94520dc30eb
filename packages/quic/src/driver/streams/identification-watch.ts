/** When a stream must have said what it is, and what happens when it has not. */
export interface IdentificationPolicy {
  /** How long a stream may be open without its first byte. Default 1,000. */
  readonly timeoutMs?: number;
  /** Application code with which the connection is closed. */
  readonly closeCode: number;
}

const DEFAULT_TIMEOUT_MS = 1_000;
const CHECKS_PER_TIMEOUT = 4;
/** How far beyond the last stream that was seen to look. */
const LOOK_AHEAD = 8;
/** Gaps looked at in one check, oldest first. */
const MAX_GAPS = 256;

/** An outage may be longer than the timeout: what was lost before it has to have had a chance to come again after it. */
const MIN_SIGHTINGS = 3;

interface Silence {
  readonly sinceMs: number;
  readonly sightings: number;
}

/**
 * Finds streams that a peer opened and never began (pure: times in ms, monotonic). quiche hands up a stream only when its
 * first byte is there; until then it can only be asked whether it knows of one. A stream below others that is not known
 * is none: its first byte waits at the peer, behind what is more urgent.
 */
export class IdentificationWatch {
  readonly #timeoutMs: number;
  /** The next ID of each kind that was not seen. */
  readonly #next: [bidi: number, uni: number];
  /** IDs below those, not seen either. */
  readonly #gaps = new Set<number>();
  /** Streams that quiche knows and has nothing of. */
  #silent = new Map<number, Silence>();
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  /** Packets arrived since the last check: they may have opened streams. */
  #hasNews = false;

  constructor(role: 'dialler' | 'acceptor', policy: IdentificationPolicy) {
    const peerBit = role === 'dialler' ? 1 : 0;
    this.#next = [peerBit, peerBit | 2];
    this.#timeoutMs = policy.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /** When to look again, also where nothing more arrives. */
  get dueMs(): number {
    const isWaiting = this.#hasNews || this.#silent.size > 0;
    return isWaiting ? this.#checkedAtMs + this.#timeoutMs / CHECKS_PER_TIMEOUT : Number.POSITIVE_INFINITY;
  }

  noteReceived(): void {
    this.#hasNews = true;
  }

  /** The first byte of this stream of the peer is there, or its end, or a reset. */
  note(id: number): void {
    const kind = (id & 2) === 0 ? 0 : 1;
    for (let gap = this.#next[kind]; gap < id && this.#gaps.size < MAX_GAPS; gap += 4) this.#gaps.add(gap);
    if (id >= this.#next[kind]) this.#next[kind] = id + 4;
    else this.#gaps.delete(id);
    this.#silent.delete(id);
  }

  /** The ID of a stream that had its time. `isKnown` says whether quiche knows of a stream. Cheap unless a check is due. */
  findOverdue(now: number, isKnown: (id: number) => boolean): number | undefined {
    if (now - this.#checkedAtMs < this.#timeoutMs / CHECKS_PER_TIMEOUT) return undefined;
    this.#checkedAtMs = now;
    this.#hasNews = false;
    const silent = new Map<number, Silence>();
    for (const id of this.#suspects()) {
      if (!isKnown(id)) continue;
      const before = this.#silent.get(id);
      silent.set(id, { sinceMs: before?.sinceMs ?? now, sightings: (before?.sightings ?? 0) + 1 });
    }
    this.#silent = silent;
    for (const [id, { sinceMs, sightings }] of silent) {
      if (now - sinceMs >= this.#timeoutMs && sightings >= MIN_SIGHTINGS) return id;
    }
    return undefined;
  }

  *#suspects(): Iterable<number> {
    yield* this.#gaps;
    for (const next of this.#next) for (let i = 0; i < LOOK_AHEAD; i++) yield next + 4 * i;
  }
}
