import fc from 'fast-check';
import type { Failure } from './failure-files.js';
import type { FuzzTarget } from './fuzz-target.js';

export interface CampaignOptions {
  /** For all targets together. */
  readonly inputs: number;
  /** Round n of a campaign runs with `seed + n`. */
  readonly seed: number;
  /** Inputs in a round. Default 2,000. */
  readonly roundInputs?: number;
  /** A single input that takes longer is a failure. Default 1,000 ms. */
  readonly slowMs?: number;
  /** What the heap and buffers may grow by over the whole campaign. Default 48 MiB. */
  readonly growthBytes?: number;
  readonly onRound?: (round: Round) => void;
  /** Called before each round, so that whoever watches knows which one hangs. */
  readonly onRoundStart?: (target: string, seed: number) => void;
}

export interface Round {
  readonly target: string;
  readonly seed: number;
  readonly inputsDone: number;
}

export interface CampaignResult {
  readonly inputs: number;
  readonly failures: readonly Failure[];
  /** The slowest single input, the best of some times: others use the machine too. */
  readonly slowest: { readonly ms: number; readonly target: string; readonly seed: number };
  /** Heap and buffers in use after the campaign less those after its first rounds; NaN without `--expose-gc`. */
  readonly growthBytes: number;
}

const ROUND_INPUTS = 2_000;
const SLOW_MS = 1_000;
const TIMES_AGAIN = 3;
const UNREMARKABLE_MS = 5;
const GROWTH_BYTES = 48 * 1024 * 1024;

/** Runs rounds of all targets in turn, each its share, until so many inputs were run. */
export function runCampaign(targets: readonly FuzzTarget[], options: CampaignOptions): CampaignResult {
  const { inputs, seed, roundInputs = ROUND_INPUTS } = options;
  const failures: Failure[] = [];
  let slowest = { ms: 0, target: '', seed };
  let done = 0;
  let baseBytes: number | undefined;
  const turn = targets.flatMap((target) => Array.from({ length: target.weight }, () => target));
  for (let round = 0; done < inputs; round++) {
    const target = turn[round % turn.length];
    if (target === undefined) throw new RangeError('a campaign has at least one target');
    const count = Math.min(roundInputs, inputs - done);
    const roundSeed = (seed + round) | 0;
    options.onRoundStart?.(target.name, roundSeed);
    const { failure, slowestMs } = runRound(target, roundSeed, count, options.slowMs ?? SLOW_MS);
    if (failure !== undefined) failures.push(failure);
    if (slowestMs > slowest.ms) slowest = { ms: slowestMs, target: target.name, seed: roundSeed };
    done += count;
    options.onRound?.({ target: target.name, seed: roundSeed, inputsDone: done });
    // By then every target has run, and what it keeps for good is there.
    if (round === turn.length) baseBytes = usedBytes();
  }
  const growthBytes = usedBytes() - (baseBytes ?? usedBytes());
  const limit = options.growthBytes ?? GROWTH_BYTES;
  if (growthBytes > limit) failures.push(memoryFailure(growthBytes, seed));
  return { inputs: done, failures, slowest, growthBytes };
}

function runRound(
  target: FuzzTarget,
  seed: number,
  numRuns: number,
  slowMs: number,
): { readonly failure: Failure | undefined; readonly slowestMs: number } {
  let slowestMs = 0;
  const details = fc.check(
    fc.property(target.input, (input) => {
      let tookMs = timeInput(target, input);
      // Collecting garbage and other programs take their time once; an input that is slow is so every time.
      for (let again = 0; again < TIMES_AGAIN && tookMs > Math.max(slowestMs, UNREMARKABLE_MS); again++) {
        tookMs = Math.min(tookMs, timeInput(target, input));
      }
      slowestMs = Math.max(slowestMs, tookMs);
      if (tookMs > slowMs) throw new Error(`it took ${Math.round(tookMs)} ms`);
    }),
    { seed, numRuns },
  );
  if (!details.failed) return { failure: undefined, slowestMs };
  const error = String(details.errorInstance ?? 'it failed');
  return { failure: { target: target.name, seed, error, input: details.counterexample?.[0] }, slowestMs };
}

function timeInput(target: FuzzTarget, input: unknown): number {
  const startedAt = performance.now();
  target.run(input);
  return performance.now() - startedAt;
}

function memoryFailure(growthBytes: number, seed: number): Failure {
  const error = `memory grew by ${Math.round(growthBytes / 1024 / 1024)} MiB`;
  return { target: 'memory', seed, error, input: undefined };
}

function usedBytes(): number {
  if (globalThis.gc === undefined) return Number.NaN;
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
