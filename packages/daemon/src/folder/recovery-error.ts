import type { DiskError } from '../core/ports/folder-disk.js';

/** What a crash left at a path cannot be looked at or made good now. Nothing was lost; to be tried again. */
export class RecoveryError extends Error {
  readonly code = 'recovery-failed';

  constructor(
    readonly path: string,
    readonly disk: DiskError,
  ) {
    super(`cannot recover ${JSON.stringify(path)}: ${disk.message}`);
    this.name = 'RecoveryError';
  }
}
