import type { BigIntStats } from 'node:fs';
import type { DiskError, StepResult } from '../../core/ports/folder-disk.js';
import { StatPacker, unpackStat } from './stat-record.js';

/** Results of many steps, packed: -1 for success without a stat, -2 and below for errors, else the stat's index. */
export interface PackedReplies {
  readonly counts: Int32Array<ArrayBuffer>;
  readonly outcomes: Int32Array<ArrayBuffer>;
  readonly stats: BigInt64Array<ArrayBuffer>;
  readonly errors: readonly DiskError[];
}

const OK_WITHOUT_STAT = -1;
const FIRST_ERROR = -2;

export class ReplyPacker {
  readonly #counts: number[] = [];
  readonly #outcomes: number[] = [];
  readonly #stats: StatPacker;
  readonly #errors: DiskError[] = [];

  constructor(expectedStats: number) {
    this.#stats = new StatPacker(expectedStats);
  }

  beginItem(): void {
    this.#counts.push(0);
  }

  /** Returns where the result is kept, for {@link failAt}. */
  addSuccess(stats: BigIntStats | undefined): number {
    return this.#add(stats === undefined ? OK_WITHOUT_STAT : this.#stats.add(stats));
  }

  addError(error: DiskError): void {
    this.#errors.push(error);
    this.#add(FIRST_ERROR - (this.#errors.length - 1));
  }

  /** Turns a success into a failure that showed only later. */
  failAt(index: number, error: DiskError): void {
    this.#errors.push(error);
    this.#outcomes[index] = FIRST_ERROR - (this.#errors.length - 1);
  }

  finish(): PackedReplies {
    return {
      counts: Int32Array.from(this.#counts),
      outcomes: Int32Array.from(this.#outcomes),
      stats: this.#stats.finish(),
      errors: this.#errors,
    };
  }

  #add(outcome: number): number {
    const item = this.#counts.length - 1;
    this.#counts[item] = (this.#counts[item] ?? 0) + 1;
    return this.#outcomes.push(outcome) - 1;
  }
}

export function unpackReplies(packed: PackedReplies): StepResult[][] {
  let next = 0;
  return Array.from(packed.counts, (count) => {
    const results: StepResult[] = [];
    for (let i = 0; i < count; i++)
      results.push(unpackOne(packed, packed.outcomes[next++] ?? OK_WITHOUT_STAT));
    return results;
  });
}

function unpackOne(packed: PackedReplies, outcome: number): StepResult {
  if (outcome === OK_WITHOUT_STAT) return { ok: true };
  if (outcome >= 0) return { ok: true, stat: unpackStat(packed.stats, outcome) };
  const error = packed.errors[FIRST_ERROR - outcome];
  return { ok: false, error: error ?? { code: 'EIO', message: 'a result without its error' } };
}
