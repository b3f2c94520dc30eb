/** The process that runs a campaign: it reports to the one that started it, which ends it when it hangs. */
import { type CampaignResult, runCampaign } from './campaign.js';
import { type Failure, readFailures, saveFailure } from './failure-files.js';
import { targets } from './targets.js';

export interface FuzzOrder {
  readonly inputs: number;
  readonly seed: number;
  readonly target: string | undefined;
}

export type FuzzReport =
  | { readonly event: 'replayed'; readonly count: number; readonly failed: readonly string[] }
  | { readonly event: 'round'; readonly target: string; readonly seed: number; readonly inputsDone: number }
  | {
      readonly event: 'failure';
      readonly error: string;
      readonly target: string;
      readonly seed: number;
      readonly file: string;
    }
  | { readonly event: 'done'; readonly result: Omit<CampaignResult, 'failures'>; readonly peakBytes: number };

/** Replays what failed before, and then runs the campaign. True when nothing failed. */
export function runOrder(order: FuzzOrder, report: (report: FuzzReport) => void): boolean {
  const chosen = targets.filter(({ name }) => order.target === undefined || order.target === name);
  if (chosen.length === 0) {
    throw new RangeError(
      `no target '${order.target}'; there are ${targets.map(({ name }) => name).join(', ')}`,
    );
  }
  const before = readFailures();
  const failed = before.flatMap((failure) => replayFailure(failure) ?? []);
  report({ event: 'replayed', count: before.length, failed });
  let inputsDone = 0;
  const result = runCampaign(chosen, {
    ...order,
    onRoundStart: (target, seed) => report({ event: 'round', target, seed, inputsDone }),
    onRound: (round) => {
      inputsDone = round.inputsDone;
    },
  });
  for (const failure of result.failures) {
    const { target, seed, error } = failure;
    report({ event: 'failure', target, seed, error, file: saveFailure(failure) });
  }
  const { failures, ...rest } = result;
  report({ event: 'done', result: rest, peakBytes: process.resourceUsage().maxRSS * 1024 });
  return failed.length === 0 && failures.length === 0;
}

/** What still goes wrong with an input that failed once; undefined when it is mended. */
export function replayFailure({ target: name, input }: Failure): string | undefined {
  const target = targets.find((candidate) => candidate.name === name);
  if (target === undefined) return undefined;
  try {
    target.run(input);
    return undefined;
  } catch (error) {
    return `${name}: ${String(error)}`;
  }
}
