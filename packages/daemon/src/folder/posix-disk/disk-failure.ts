import type { DiskError, DiskResult } from '../../core/ports/folder-disk.js';

/** A failure with one of the codes that {@link DiskError} lists beside the system's own. */
export class DiskFailure extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'DiskFailure';
  }
}

/** The error as data. `path` is relative to the folder: the handle's path that the system names tells nobody anything. */
export function toDiskError(error: unknown, path: string): DiskError {
  if (error instanceof DiskFailure) return { code: error.code, message: error.message };
  const code = codeOf(error);
  if (code === undefined) throw error;
  const call = (error as { syscall?: unknown }).syscall;
  return { code, message: `${typeof call === 'string' ? `${call} ` : ''}${JSON.stringify(path)}: ${code}` };
}

export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function succeeded<T>(value: T): DiskResult<T> {
  return { ok: true, value };
}

/** Runs one operation on one path; what the system refuses is a result, anything else is thrown. */
export function attempt<T>(path: string, operation: () => T): DiskResult<T> {
  try {
    return succeeded(operation());
  } catch (error) {
    return { ok: false, error: toDiskError(error, path) };
  }
}
