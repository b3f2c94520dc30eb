/** What all connections of a peer did since the sample before, of what this side sends. */
export interface GrowthSample {
  /** What was lost taken off. */
  readonly sentBytesPerSecond: number;
  /** Of the bytes sent, the share that was lost: 0 to 1. */
  readonly lostShare: number;
  /** Congestion windows of the connections together. */
  readonly windowBytes: number;
  /** The smallest round trip seen on this path: what it takes while nothing waits. 0 where it is below what is measured. */
  readonly baseRttMs: number;
  /** Bytes that the application has handed over and the transport has not taken yet. */
  readonly waitingBytes: number;
  /** How much of the time this side's event loop was busy, from 0 to 1. */
  readonly loopUtilisation: number;
  /** Whether another connection may be opened at all. */
  readonly mayOpen: boolean;
}

export interface PoolGrowthOptions {
  /** Samples in a row that have to show the same before a connection is opened. Default 4. */
  readonly holdSamples?: number;
  /** Samples after which a connection must have shown its worth. Default 6. */
  readonly trialSamples?: number;
  /** How much more all together have to send than before it, as a factor. Default 1.15. */
  readonly minGain?: number;
  /** Wait after a connection that brought nothing; doubles up to eight times this. Default 600,000. */
  readonly holdOffMs?: number;
  /** A loop that is busier than this is the limit itself. Default 0.75. */
  readonly maxLoopUtilisation?: number;
  /** Below this rate nothing is decided. Default 32 KiB/s. */
  readonly minBytesPerSecond?: number;
}

/**
 * What keeps this side from sending more. `window`: a connection's own window, and neither the link nor this machine.
 * `path`: more is lost than more connections should answer with more packets.
 */
export type GrowthLimit = 'none' | 'window' | 'loop' | 'path';

export type GrowthAction =
  | 'open'
  /** The connection opened last brought nothing: it can go. */
  | 'withdraw';

const DEFAULTS: Required<PoolGrowthOptions> = {
  holdSamples: 4,
  trialSamples: 6,
  minGain: 1.15,
  holdOffMs: 600_000,
  maxLoopUtilisation: 0.75,
  minBytesPerSecond: 32 * 1024,
};

/**
 * A connection sends at most a window per round trip. When it does so at the *smallest* round trip, the window is the limit.
 * On a full link packets queue and the round trip grows, so the rate stays below this (BBR's window is twice what the
 * link holds); with a busy processor or little to send, too. Of a small window the driver leaves up to a quarter free for control. Measured in
 * whole ms, rounded down, the round trip errs to the side of not opening.
 */
const LIMITED_SHARE = 0.6;
/** On a full link with a short queue much is lost, whatever the windows; more senders would only make it worse. */
const CROWDED_LOST_SHARE = 0.05;
/** A rate that still grows like this needs no help. */
const GROWS_BY_ITSELF = 1.25;
/** A new connection has to find its own window first. */
const WARM_UP_SAMPLES = 2;
const MAX_HOLD_OFF_FACTOR = 8;

interface Trial {
  readonly before: number;
  readonly rates: number[];
}

/**
 * When a further connection to the same peer is worth opening. Without I/O: takes samples at equal intervals.
 *
 * 1. It is asked for only when over `holdSamples` in a row the window was the limit, and in none of them the loop.
 * 2. After every one that was opened comes a trial; nothing is asked for until it is over.
 * 3. One that brought less than `minGain` is withdrawn, and for a while no other is asked for: whatever the limit is, it
 *    is shared.
 */
export class PoolGrowth {
  private readonly options: Required<PoolGrowthOptions>;
  /** The last ones, as long as there was something to send and the loop not busy. */
  private recent: GrowthSample[] = [];
  private before = 0;
  private trial: Trial | undefined;
  private holdOffUntilMs = Number.NEGATIVE_INFINITY;
  private failedTrials = 0;
  private lastLimit: GrowthLimit = 'none';

  constructor(options: PoolGrowthOptions = {}) {
    this.options = { ...DEFAULTS, ...options };
  }

  /** As of the last sample. */
  get limit(): GrowthLimit {
    return this.lastLimit;
  }

  observe(sample: GrowthSample, nowMs: number): GrowthAction | undefined {
    this.lastLimit = this.findLimit(sample);
    if (this.trial !== undefined) return this.observeTrial(this.trial, sample, nowMs);
    if (this.lastLimit !== 'window' || this.recent.length < this.options.holdSamples) return undefined;
    const rates = this.recent.map(({ sentBytesPerSecond }) => sentBytesPerSecond);
    const half = rates.length >> 1;
    const growsByItself = mean(rates.slice(-half)) > mean(rates.slice(0, half)) * GROWS_BY_ITSELF;
    if (growsByItself || !sample.mayOpen || nowMs < this.holdOffUntilMs) return undefined;
    this.before = mean(rates);
    this.recent = [];
    return 'open';
  }

  /** The connection that was asked for is in use: its trial starts. */
  opened(): void {
    const rates = this.recent.map(({ sentBytesPerSecond }) => sentBytesPerSecond);
    // The last sample has a part of the new one already.
    const before = rates.length > 1 ? mean(rates.slice(0, -1)) : this.before;
    this.recent = [];
    this.trial = { before, rates: [] };
  }

  /** A connection went, so that a trial could not be told from that. */
  closed(): void {
    this.trial = undefined;
    this.recent = [];
  }

  private findLimit(sample: GrowthSample): GrowthLimit {
    const { minBytesPerSecond, maxLoopUtilisation, holdSamples } = this.options;
    const isIdle = sample.waitingBytes === 0 || sample.sentBytesPerSecond < minBytesPerSecond;
    const isBusy = sample.loopUtilisation > maxLoopUtilisation;
    if (isIdle || isBusy) {
      this.recent = [];
      return isIdle ? 'none' : 'loop';
    }
    this.recent = [...this.recent, sample].slice(-holdSamples);
    // Windows change from one moment to the next: a single one says little.
    let perRoundTrip = 0;
    let windows = 0;
    let lostShares = 0;
    for (const { sentBytesPerSecond, windowBytes, baseRttMs, lostShare } of this.recent) {
      lostShares += lostShare;
      perRoundTrip += (sentBytesPerSecond * baseRttMs) / 1_000;
      windows += windowBytes;
    }
    if (lostShares > CROWDED_LOST_SHARE * this.recent.length) return 'path';
    return windows > 0 && perRoundTrip >= LIMITED_SHARE * windows ? 'window' : 'none';
  }

  private observeTrial(trial: Trial, sample: GrowthSample, nowMs: number): GrowthAction | undefined {
    const { trialSamples, minGain, holdOffMs } = this.options;
    trial.rates.push(sample.sentBytesPerSecond);
    if (sample.waitingBytes === 0) {
      // There was less to send: that says nothing.
      this.trial = undefined;
      return undefined;
    }
    if (trial.rates.length < trialSamples) return undefined;
    this.trial = undefined;
    const after = mean(trial.rates.slice(Math.min(WARM_UP_SAMPLES, trialSamples - 1)));
    if (after >= trial.before * minGain) {
      this.failedTrials = 0;
      return undefined;
    }
    this.holdOffUntilMs = nowMs + holdOffMs * Math.min(MAX_HOLD_OFF_FACTOR, 2 ** this.failedTrials);
    this.failedTrials++;
    return 'withdraw';
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
