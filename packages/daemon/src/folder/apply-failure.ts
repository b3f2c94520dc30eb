import type { ApplyOutcome } from '../core/ports/applier.js';
import type { DiskError } from '../core/ports/folder-disk.js';
import { problemOfError } from './scan-problems.js';

export function failedOutcome(path: string, error: DiskError): ApplyOutcome & { readonly outcome: 'failed' } {
  const problem = problemOfError(path, error);
  return { outcome: 'failed', problem, disk: problem.code === 'disk-full' ? 'full' : 'ok' };
}

/** Nothing is there, or what leads there is no directory any more. */
export function isAbsence({ code }: DiskError): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP';
}
