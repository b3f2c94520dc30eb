import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';

/** An input that something went wrong with. It is kept whole: seeds mean something else once the generators change. */
export interface Failure {
  readonly target: string;
  /** Of the round in which it was found. */
  readonly seed: number;
  readonly error: string;
  readonly input: unknown;
}

export const FAILURES_DIRECTORY = fileURLToPath(new URL('failures/', import.meta.url));

interface StoredFailure extends Omit<Failure, 'input'> {
  /** For people. */
  readonly text: string;
  /** The input in V8's serialisation, base64. */
  readonly input: string;
}

/** Returns the file's path. The same input of the same target is the same file. */
export function saveFailure(failure: Failure, directory = FAILURES_DIRECTORY): string {
  const input = serialize(failure.input).toString('base64');
  const stored: StoredFailure = { ...failure, text: fc.stringify(failure.input), input };
  const name = createHash('sha256').update(`${failure.target}\n${input}`).digest('hex').slice(0, 12);
  const path = join(directory, `${failure.target}-${name}.json`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(path, `${JSON.stringify(stored, undefined, 2)}\n`);
  return path;
}

export function readFailures(directory = FAILURES_DIRECTORY): readonly Failure[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => {
    const stored = JSON.parse(readFileSync(join(directory, name), 'utf8')) as StoredFailure;
    const { target, seed, error } = stored;
    return { target, seed, error, input: deserialize(Buffer.from(stored.input, 'base64')) as unknown };
  });
}
