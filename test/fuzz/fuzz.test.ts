import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testDirectory } from '../support/test-directory.js';
import { runCampaign } from './campaign.js';
import { readFailures, saveFailure } from './failure-files.js';
import { replayFailure } from './fuzz-process.js';
import { fuzzTarget } from './fuzz-target.js';
import { targets } from './targets.js';

/** The first inputs of the campaign that `npm run fuzz` runs in millions. */
const SHORT_RUN = { inputs: 40_000, roundInputs: 400, seed: 20_260_101, slowMs: 5_000 };

describe('whatever a peer sends', () => {
  it('does no harm that it did once', () => {
    expect(readFailures().flatMap((failure) => replayFailure(failure) ?? [])).toEqual([]);
  });

  it('is read or refused, in all targets', () => {
    const seen = new Set<string>();
    const { inputs, failures } = runCampaign(targets, {
      ...SHORT_RUN,
      onRound: ({ target }) => seen.add(target),
    });
    expect(failures.map(({ target, seed, error }) => `${target}, seed ${seed}: ${error}`)).toEqual([]);
    expect(inputs).toBe(SHORT_RUN.inputs);
    expect([...seen].sort()).toEqual(targets.map(({ name }) => name).sort());
  });
});

describe('a campaign', () => {
  const refusesFives = fuzzTarget<{ bytes: Uint8Array }>({
    name: 'planted',
    weight: 1,
    input: fc.record({ bytes: fc.uint8Array({ maxLength: 40 }) }),
    run: ({ bytes }) => {
      if (bytes.includes(5)) throw new Error('a five');
    },
  });

  it('finds what is planted, keeps the smallest input, and finds it again in the file', () => {
    const directory = testDirectory();
    const { failures } = runCampaign([refusesFives], { inputs: 4_000, seed: 1 });
    expect(failures).toHaveLength(2);
    expect(failures[0]).toMatchObject({ target: 'planted', seed: 1, input: { bytes: Uint8Array.of(5) } });
    for (const failure of failures) saveFailure(failure, directory);
    expect(readdirSync(directory)).toHaveLength(1);
    const [kept] = readFailures(directory);
    expect(kept?.input).toEqual({ bytes: Uint8Array.of(5) });
    expect(() => refusesFives.run(kept?.input)).toThrow('a five');
  });

  it('is the same again with the same seed', () => {
    const record = (): string[] => {
      const seen: string[] = [];
      const spy = fuzzTarget<number>({
        name: 'spy',
        weight: 1,
        input: fc.nat(),
        run: (input) => void seen.push(String(input)),
      });
      runCampaign([spy], { inputs: 300, roundInputs: 100, seed: 9 });
      return seen;
    };
    const first = record();
    expect(first).toHaveLength(300);
    expect(record()).toEqual(first);
  });

  it('calls an input that takes long a failure', () => {
    const slow = fuzzTarget<number>({
      name: 'slow',
      weight: 1,
      input: fc.constant(1),
      run: () => {
        const until = performance.now() + 3;
        while (performance.now() < until);
      },
    });
    const { failures } = runCampaign([slow], { inputs: 1, seed: 1, slowMs: 2 });
    expect(failures[0]?.error).toMatch(/took \d+ ms/);
  });
});
