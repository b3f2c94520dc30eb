/** Something that is wrong with one path, kept as data: shown in `status`, never thrown. */
export interface Problem {
  readonly path: string;
  readonly code: ProblemCode;
  /** What happened and what to do, one or two sentences for a person. */
  readonly text: string;
}

export type ProblemCode =
  /** A name that cannot be synced: not UTF-8, not NFC, too long. */
  | 'bad-name'
  /** FIFO, socket or device. */
  | 'unsupported-type'
  | 'permission-denied'
  | 'io-error'
  | 'disk-full'
  /** Another file system is mounted below the folder. */
  | 'submount'
  /** Changed every time it was looked at. */
  | 'keeps-changing'
  /** No connected device has the chunks. */
  | 'content-missing'
  /** What a device sent did not match its own hashes. */
  | 'content-mismatch'
  /** A directory that should go still holds something that is not ours to delete. */
  | 'directory-not-empty'
  /** This system cannot hold that name, or a file stands where a directory is needed. */
  | 'unplaceable'
  /** A limit of the protocol that the entry is beyond. */
  | 'limit-exceeded'
  /** A version stamped more than 24 h ahead, or one whose vector and stamp disagree. */
  | 'implausible-version'
  | 'watch-failed'
  | 'root-missing'
  /** Very many deletions at once, held until a person decides. */
  | 'mass-delete';
