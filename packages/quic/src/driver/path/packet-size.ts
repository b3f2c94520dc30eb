import { MIN_PACKET_BYTES } from '../quiche-binding.js';

export interface Probe {
  readonly id: number;
  readonly sizeBytes: number;
}

/**
 * How large this connection's packets are (pure). Starts at what every path carries; raised only to a size that a padded
 * probe, answered by the peer, has shown to get through; lowered when packets vanish. Times in ms, monotonic.
 *
 * quiche has neither probing nor a size that can change, but it never makes a packet larger than the buffer it is given.
 *
 * A round of probes tries every size above the present one, largest first. A round that ends below the target is followed
 * by another, ever later: a peer that was merely too busy to answer must not leave the connection slow for good.
 */
export class PacketSize {
  #currentBytes = MIN_PACKET_BYTES;
  readonly #candidates: readonly number[];
  #candidate = 0;
  #attempt = 0;
  #rounds = 0;
  #probeId = 0;
  #unsentInARow = 0;
  #probeInFlight: Probe | undefined;
  #dueAtMs = Number.POSITIVE_INFINITY;
  #timeoutsInARow = 0;
  #timedOutAtMs = Number.NEGATIVE_INFINITY;
  /** Whether probes just now ask after the present size. */
  #isInDoubt = false;
  #fallbacks = 0;
  #fellBackAtMs = Number.NEGATIVE_INFINITY;
  #lostBefore = 0;

  constructor(targetBytes: number) {
    this.#candidates = [targetBytes, ...LADDER.filter((size) => size < targetBytes)].filter(
      (size) => size > MIN_PACKET_BYTES,
    );
  }

  get currentBytes(): number {
    return this.#currentBytes;
  }

  /** When {@link takeDueProbe} has something next. */
  get deadlineMs(): number {
    return this.#dueAtMs;
  }

  /** The peer is known: packets may grow, once what the handshake still owes and the first stream are on their way. */
  start(now: number): void {
    this.#startRound(now + FIRST_PROBE_DELAY_MS);
  }

  takeDueProbe(now: number): Probe | undefined {
    if (now < this.#dueAtMs) return undefined;
    if (this.#isInDoubt) return this.#takeDoubtProbe(now);
    if (this.#attempt >= ATTEMPTS) {
      this.#attempt = 0;
      this.#candidate += 1;
    }
    const sizeBytes = this.#candidates[this.#candidate];
    if (sizeBytes === undefined || sizeBytes <= this.#currentBytes) {
      this.#endRound(now);
      return undefined;
    }
    return this.#makeProbe(sizeBytes, now);
  }

  /** The probe is on its way. */
  handleProbeSent(): void {
    this.#unsentInARow = 0;
  }

  /**
   * The probe could not be sent just now, which says nothing about the path, unless that is in doubt anyway. Asking again
   * costs a packet that is built in vain: ever later, because a window that is shut may stay so for long.
   */
  handleProbeUnsent(now: number): void {
    if (this.#isInDoubt) return;
    this.#attempt = Math.max(0, this.#attempt - 1);
    this.#dueAtMs = now + Math.min(PROBE_RETRY_MS * 2 ** this.#unsentInARow, MAX_PROBE_RETRY_MS);
    this.#unsentInARow += 1;
  }

  handleAnswer(id: number, sizeBytes: number, now: number): void {
    const probe = this.#probeInFlight;
    if (probe === undefined || probe.id !== id || probe.sizeBytes !== sizeBytes) return;
    this.#timeoutsInARow = 0;
    this.#isInDoubt = false;
    this.#currentBytes = sizeBytes;
    this.#endRound(now);
  }

  /**
   * A timer of quiche ran out: unanswered packets, most likely. After several of them probes of the present size tell a
   * black hole for large packets, through which the peer's small ones still come, from a busy machine.
   */
  handleTimeout(now: number): void {
    if (now - this.#timedOutAtMs > FORGET_TIMEOUT_MS) this.#timeoutsInARow = 0;
    this.#timedOutAtMs = now;
    this.#timeoutsInARow += 1;
    const mayDoubt = !this.#isInDoubt && this.#currentBytes > MIN_PACKET_BYTES;
    if (!mayDoubt || this.#timeoutsInARow < TIMEOUTS_BEFORE_DOUBT) return;
    this.#isInDoubt = true;
    this.#attempt = 0;
    this.#dueAtMs = now;
  }

  /** Looked at about once a second while bytes wait: losses without any progress are a black hole for large packets. */
  handleCheck(now: number, lostPackets: number, madeProgress: boolean): void {
    const lost = lostPackets - this.#lostBefore;
    this.#lostBefore = lostPackets;
    if (lost > 0 && !madeProgress) this.#fallBack(now);
  }

  #takeDoubtProbe(now: number): Probe | undefined {
    if (this.#attempt < ATTEMPTS) return this.#makeProbe(this.#currentBytes, now);
    this.#fallBack(now);
    return undefined;
  }

  #makeProbe(sizeBytes: number, now: number): Probe {
    this.#probeId = (this.#probeId + 1) & 0xffff;
    this.#probeInFlight = { id: this.#probeId, sizeBytes };
    this.#attempt += 1;
    this.#dueAtMs = now + PROBE_INTERVAL_MS;
    return this.#probeInFlight;
  }

  #startRound(atMs: number): void {
    this.#candidate = 0;
    this.#attempt = 0;
    this.#probeInFlight = undefined;
    this.#dueAtMs = this.#candidates.length > 0 ? atMs : Number.POSITIVE_INFINITY;
  }

  #endRound(now: number): void {
    const isAtTarget = this.#currentBytes >= (this.#candidates[0] ?? 0);
    this.#rounds = isAtTarget ? 0 : this.#rounds + 1;
    const delayMs = Math.min(FIRST_ROUND_DELAY_MS * 2 ** (this.#rounds - 1), MAX_DELAY_MS);
    this.#startRound(isAtTarget ? Number.POSITIVE_INFINITY : now + delayMs);
  }

  #fallBack(now: number): void {
    if (this.#currentBytes === MIN_PACKET_BYTES) return;
    this.#currentBytes = MIN_PACKET_BYTES;
    this.#timeoutsInARow = 0;
    this.#isInDoubt = false;
    if (now - this.#fellBackAtMs > FORGET_FALLBACK_MS) this.#fallbacks = 0;
    this.#fellBackAtMs = now;
    this.#startRound(now + Math.min(FIRST_REPROBE_MS * 2 ** this.#fallbacks, MAX_DELAY_MS));
    this.#fallbacks += 1;
  }
}

/** Tried below the target, largest first: jumbo frames, Ethernet, Ethernet with a tunnel around it. */
const LADDER = [8_952, 1_452, 1_392, 1_350];
const ATTEMPTS = 3;
const FIRST_PROBE_DELAY_MS = 5;
const PROBE_INTERVAL_MS = 250;
const PROBE_RETRY_MS = 5;
const MAX_PROBE_RETRY_MS = 1_000;
const TIMEOUTS_BEFORE_DOUBT = 3;
/** Timeouts further apart belong to different troubles. */
const FORGET_TIMEOUT_MS = 2_000;
const FIRST_ROUND_DELAY_MS = 5_000;
/** The first look after a fall back comes soon: a probe tells a black hole from a busy machine. */
const FIRST_REPROBE_MS = 250;
const FORGET_FALLBACK_MS = 60_000;
const MAX_DELAY_MS = 600_000;
