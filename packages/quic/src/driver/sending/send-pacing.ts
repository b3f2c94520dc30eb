/**
 * How much may go out just now (pure). Times in ms, monotonic; sizes in bytes.
 *
 * quiche says when a packet should leave, the binding does not. Without that its congestion control works blindly: whole
 * windows leave at once and overflow a switch, and BBR's gains, which are a matter of pace, do nothing. So the rate is found
 * here: phases of some 25 ms are sent at the highest rate that the path has delivered lately, every eighth one faster, to
 * see whether there is more, followed by a slower one that drains what it left in queues. quiche's window stays the bound
 * for what is in flight.
 *
 * At the start phases are short, and each is sent at twice the best rate so far, until that brings no more.
 */
export class SendPacing {
  #tokens = 0;
  /** Less than this is not worth a turn, nor the small packet that it would make. */
  #quantum = MIN_QUANTUM_BYTES;
  #refilledAtMs = 0;
  #gapMs = MIN_GAP_MS;
  #isHeldBack = false;
  #pacedUntilMs = 0;
  #pacedForMs = FIRST_PACED_MS / 2;
  /** What could have gone out in this phase, had the sender not come too late for its own pace. */
  #missedBytes = 0;
  #rates: number[] = [];
  #isStarting = true;
  #slowPhases = 0;
  #phase = 0;
  #begun: PathReading | undefined;

  /** What the path delivers, in bytes a ms: the highest of late but for one, which a pause of the peer may have made. */
  get deliveredRate(): number {
    let best = 0;
    let second = 0;
    for (const rate of this.#rates) {
      if (rate > best) {
        second = best;
        best = rate;
      } else if (rate > second) second = rate;
    }
    return this.#rates.length === 1 ? best : second;
  }

  /** Bytes that may go out now; `Infinity` while the path takes whole windows without a loss. */
  allowance(now: number): number {
    this.#refill(now);
    if (!this.#isStarting && now >= this.#pacedUntilMs) return Number.POSITIVE_INFINITY;
    return this.#tokens >= this.#quantum ? this.#tokens : 0;
  }

  /** A turn is over and bytes still wait: for the pace, or for what quiche takes. */
  noteWaiting(): void {
    this.#isHeldBack = this.#tokens < this.#quantum;
  }

  noteSent(bytes: number): void {
    this.#tokens = Math.max(this.#tokens - bytes, -this.deliveredRate * MAX_DEBT_MS);
  }

  /** Whether a reading is due: at the end of a phase. */
  isPhaseOver(now: number): boolean {
    return (
      this.#begun === undefined || now - this.#begun.nowMs >= (this.#isStarting ? START_PHASE_MS : PHASE_MS)
    );
  }

  /** Ends a phase in which bytes waited all the time, and begins the next. */
  handlePhase(reading: PathReading): void {
    const begun = this.#begun;
    const missedBytes = this.#missedBytes;
    this.#begun = reading;
    this.#missedBytes = 0;
    // Longer than a phase: something else held the sender up, which says nothing about the path.
    if (begun === undefined || reading.nowMs - begun.nowMs > 4 * PHASE_MS) return;
    if (this.#isHeldBack && reading.sentBytes === begun.sentBytes) return;
    const sent = reading.sentBytes - begun.sentBytes - (reading.lostBytes - begun.lostBytes);
    // What was missed counts: otherwise lateness would look like a slow path, and be slower still in the next phase.
    const delivered = sent - (reading.inFlightBytes - begun.inFlightBytes) + missedBytes;
    const rate = Math.max(0, delivered / (reading.nowMs - begun.nowMs));
    const isLossy = reading.lostBytes - begun.lostBytes > sent * TOLERATED_LOSS;
    if (isLossy && reading.nowMs >= this.#pacedUntilMs) this.#paceForAWhile(reading.nowMs);
    if (this.#isStarting) {
      this.#checkStart(rate, isLossy);
    } else {
      this.#rates.push(rate);
      if (this.#rates.length > PHASES_REMEMBERED) this.#rates.shift();
      this.#phase = (this.#phase + 1) % GAINS.length;
    }
  }

  /** Nothing waits any more: what comes next says something only from its own beginning on. */
  handleIdle(): void {
    this.#isHeldBack = false;
    this.#begun = undefined;
  }

  /** The start ends when twice the best rate so far brought no more, twice in a row, or losses. */
  #checkStart(rate: number, isLossy: boolean): void {
    const best = this.deliveredRate;
    this.#slowPhases = rate > best * STILL_GROWING ? 0 : this.#slowPhases + 1;
    this.#rates = [Math.max(rate, best)];
    if (this.#slowPhases < PHASES_WITHOUT_GROWTH && !isLossy) return;
    this.#isStarting = false;
    this.#phase = DRAIN_PHASE;
    // Twice, so that it counts until phases at its own pace have shown better.
    this.#rates = [this.deliveredRate, this.deliveredRate];
    // What the last phases sent beyond what the path carries stands in a queue: let it drain.
    this.#tokens = -this.deliveredRate * MAX_DEBT_MS;
  }

  /** For longer each time that the path loses packets without. */
  #paceForAWhile(now: number): void {
    this.#pacedForMs = Math.min(this.#pacedForMs * 2, MAX_PACED_MS);
    this.#pacedUntilMs = now + this.#pacedForMs;
  }

  get #paceRate(): number {
    if (this.#isStarting) return Math.max(START_RATE, this.deliveredRate * START_GAIN);
    return Math.max(MIN_RATE, this.deliveredRate * (GAINS[this.#phase] ?? 1));
  }

  /** The bucket holds what goes out between two turns of the event loop: more would be a burst, less a loss of time. */
  #refill(now: number): void {
    const elapsedMs = now - this.#refilledAtMs;
    if (elapsedMs <= 0) return;
    this.#refilledAtMs = now;
    // The longest of late, slowly forgotten.
    this.#gapMs = Math.max(Math.min(elapsedMs, MAX_GAP_MS), this.#gapMs * GAP_DECAY, MIN_GAP_MS);
    const rate = this.#paceRate;
    const depth = Math.max(MIN_BURST_BYTES, rate * this.#gapMs * GAP_MARGIN);
    const tokens = this.#tokens + rate * elapsedMs;
    this.#tokens = Math.min(depth, tokens);
    if (this.#isHeldBack) this.#missedBytes += tokens - this.#tokens;
    this.#isHeldBack = false;
    this.#quantum = Math.max(MIN_QUANTUM_BYTES, rate * QUANTUM_MS);
  }
}

/** What was sent, lost and is under way at a moment. */
export interface PathReading {
  readonly nowMs: number;
  readonly sentBytes: number;
  readonly lostBytes: number;
  readonly inFlightBytes: number;
}

const PHASE_MS = 25;
const PHASES_REMEMBERED = 16;
const START_PHASE_MS = 6;
/** 12 MB/s: what 100 Mbit/s carry. */
const START_RATE = 12_000;
const START_GAIN = 2;
const GAINS = [1.1, 0.75, 0.96, 0.96, 0.96, 0.96, 0.96, 0.96] as const;
const DRAIN_PHASE = 1;
const STILL_GROWING = 1.25;
const PHASES_WITHOUT_GROWTH = 2;
const TOLERATED_LOSS = 0.002;
const FIRST_PACED_MS = 10_000;
const MAX_PACED_MS = 120_000;
const MAX_DEBT_MS = 10;
const MIN_GAP_MS = 1.5;
const MAX_GAP_MS = 5;
const GAP_DECAY = 0.998;
const GAP_MARGIN = 1.1;
const MIN_BURST_BYTES = 12_000;
const MIN_QUANTUM_BYTES = 4_500;
const QUANTUM_MS = 0.4;
/** 100 kB/s: a path that delivered nothing for a while is still tried. */
const MIN_RATE = 100;
