import { CommanderError } from 'commander';

/** A command that cannot do what it was asked: what happened, to what, and what to do next. */
export class Failure extends Error {
  override readonly name = 'Failure';
  constructor(
    /** Codes of the local API, of the daemon, and of the CLI itself; `main.ts` maps them to exit codes. */
    readonly code: string,
    message: string,
    readonly hint?: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/** What to do next, where the code alone says it. */
const HINTS: Readonly<Record<string, string>> = {
  'not-running': "Start it with 'landropic daemon start'.",
  'key-missing': "Create one with 'landropic init'.",
  'unexpected-answer': "If landropic was updated, restart the daemon: 'landropic daemon restart'.",
  'connection-lost': "See what happened to it: 'landropic daemon status'.",
};

/** Anything thrown, as something a person can read. Told apart by `code`, never by message text. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof CommanderError) return new Failure('usage', error.message.replace(/^error: /, ''));
  if (!(error instanceof Error)) return new Failure('internal', String(error));
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'internal';
  const isSystemError = 'errno' in error && typeof error.errno === 'number';
  const hint = 'hint' in error && typeof error.hint === 'string' ? error.hint : HINTS[code];
  return new Failure(isSystemError ? 'file-system' : code, firstLine(error.message), hint, { cause: error });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
