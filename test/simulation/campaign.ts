import { Coverage } from './coverage.js';
import { History } from './history.js';
import type { Violation } from './judge.js';
import { KNOWN_FAILURES } from './known-failures.js';

export interface CampaignOrder {
  readonly histories: number;
  /** Of the first history; the next one has the next number. */
  readonly seed: number;
}

export interface Failure {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** What happened, one line each. */
  readonly trace: readonly string[];
  /** Why it is known to fail; undefined for news. */
  readonly known: string | undefined;
}

export interface CampaignResult {
  readonly coverage: Coverage;
  readonly failures: readonly Failure[];
}

/** Runs histories one after another. */
export async function runCampaign(
  order: CampaignOrder,
  report: {
    readonly failed?: (failure: Failure) => void;
    readonly done?: (histories: number) => void;
    readonly begins?: (seed: number) => void;
  } = {},
): Promise<CampaignResult> {
  const coverage = new Coverage();
  const failures: Failure[] = [];
  for (let i = 0; i < order.histories; i++) {
    const seed = order.seed + i;
    // One that is asked for by itself is run.
    if (order.histories > 1 && KNOWN_FAILURES.has(seed)) {
      coverage.count('left out: known to fail');
      continue;
    }
    report.begins?.(seed);
    const { failure, coverage: covered } = await replay(seed);
    coverage.add(covered);
    if (failure !== undefined) {
      failures.push(failure);
      report.failed?.(failure);
    }
    report.done?.(i + 1);
  }
  return { coverage, failures };
}

/** One history, from its seed: the same one each time. */
export async function replay(
  seed: number,
): Promise<{ readonly failure?: Failure; readonly coverage: Coverage }> {
  const trace: string[] = [];
  const { violations, coverage } = await new History(seed, { trace: (line) => trace.push(line) }).run();
  if (violations.length === 0) return { coverage };
  return { coverage, failure: { seed, violations, trace, known: KNOWN_FAILURES.get(seed) } };
}

export function describeFailure({ seed, violations, trace, known }: Failure): string {
  const head = known === undefined ? `seed ${seed} FAILED` : `seed ${seed} fails, as known: ${known}`;
  return [head, ...trace, ...violations.map(({ promise, text }) => `${promise}: ${text}`)].join('\n  ');
}
