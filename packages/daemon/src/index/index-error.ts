export type IndexErrorCode =
  /** The database is damaged. Close it and open it again: it is set aside and rebuilt from the files. */
  | 'damaged'
  /** A newer version of the program made it. It is left as it is. */
  | 'newer-schema'
  /** It holds another folder's index. */
  | 'wrong-folder'
  /** The system would not let it be opened or written. `cause` has its error. */
  | 'unusable'
  /** No room left to write. Nothing of the transaction was kept. */
  | 'disk-full'
  /** Used against its contract: closed already, a transaction inside a transaction, one sequence number for two rows. */
  | 'misuse';

/** What goes wrong with an index as a whole. What goes wrong with one path is a Problem, and no exception. */
export class IndexError extends Error {
  override readonly name = 'IndexError';
  constructor(
    readonly code: IndexErrorCode,
    message: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
  }
}
