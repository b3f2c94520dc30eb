import type { FolderId } from '../core/model/identifiers.js';
import { IndexError } from './index-error.js';
import { StoredRowError } from './row-body.js';
import { sqliteCode } from './sqlite-code.js';

/** Turns what SQLite and the codecs throw into an {@link IndexError}; everything else, the caller's own errors, stays. */
export function sqliteFailure(error: unknown, folder: FolderId): unknown {
  if (error instanceof IndexError) return error;
  const code = sqliteCode(error);
  if (isDamage(error)) {
    return new IndexError(
      'damaged',
      `The index of folder ${folder} is damaged (${code ?? 'unreadable row'}).`,
      {
        cause: error,
      },
    );
  }
  if (code === undefined) return error;
  if (code === 'SQLITE_FULL') {
    return new IndexError(
      'disk-full',
      `No room to write the index of folder ${folder}: free some disk space.`,
      {
        cause: error,
      },
    );
  }
  return new IndexError(
    'unusable',
    `The index of folder ${folder} cannot be used: ${(error as Error).message}.`,
    {
      cause: error,
    },
  );
}

/** True for what only a new index can mend. */
export function isDamage(error: unknown): boolean {
  const code = sqliteCode(error);
  return (
    code === 'SQLITE_NOTADB' ||
    (code?.startsWith('SQLITE_CORRUPT') ?? false) ||
    error instanceof StoredRowError
  );
}
