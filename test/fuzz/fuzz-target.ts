import type { Arbitrary } from 'fast-check';

/** One way into the code that reads what peers send. */
export interface FuzzTarget<I = unknown> {
  readonly name: string;
  /** Of how many inputs of a campaign this target gets its share. */
  readonly weight: number;
  /** Inputs are plain data: bytes, numbers, texts, arrays and objects of them, so that they can be kept in a file. */
  readonly input: Arbitrary<I>;
  /** Throws when something is wrong. */
  run(input: I): void;
}

/** Forgets the type of the input, for the list of targets. */
export function fuzzTarget<I>(target: FuzzTarget<I>): FuzzTarget {
  return target as FuzzTarget;
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
