import type { Problem, ProblemCode } from '../core/model/problem.js';
import { childPath, type DirectoryPath, type PathFlaw } from '../core/model/relative-path.js';
import type { DiskError } from '../core/ports/folder-disk.js';

const FLAWS: Readonly<Record<PathFlaw | 'target-not-unicode', string>> = {
  empty: 'has no name',
  absolute: 'has an absolute path',
  'dot-component': 'has a name that is a path',
  'empty-component': 'has an empty name in its path',
  nul: 'has a NUL in its name',
  'not-normalised': 'has a name that is not in Unicode’s composed form (NFC)',
  'too-long': 'has a path of more than 4,096 bytes',
  'name-too-long': 'has a name of more than 255 bytes',
  'not-unicode': 'has a name that is not UTF-8',
  'target-not-unicode': 'is a link whose target cannot be read or is not UTF-8',
};

export function badName(
  directory: DirectoryPath,
  name: string,
  flaw: PathFlaw | 'target-not-unicode',
): Problem {
  const remedy = flaw === 'target-not-unicode' ? 'Make the link anew' : 'Rename it';
  return {
    path: childPath(directory, name),
    code: 'bad-name',
    text: `It ${FLAWS[flaw]} and is not synced. ${remedy} to have it synced.`,
  };
}

export function unsupportedType(path: string): Problem {
  return {
    path,
    code: 'unsupported-type',
    text: 'It is a FIFO, a socket or a device. Only files, directories and symbolic links are synced.',
  };
}

export function submount(path: string): Problem {
  return {
    path,
    code: 'submount',
    text: 'Another file system is mounted here; what is in it is not synced. Add it as a folder of its own.',
  };
}

export function problemOfError(path: string, error: DiskError): Problem {
  return {
    path,
    code: codeOfProblem(error),
    text: TEXTS[codeOfProblem(error)] ?? `It failed: ${error.message}.`,
  };
}

export function codeOfProblem({ code }: DiskError): ProblemCode {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'permission-denied';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'disk-full';
    case 'submount':
    case 'EXDEV':
      return 'submount';
    case 'ENOTEMPTY':
      return 'directory-not-empty';
    case 'ENAMETOOLONG':
    case 'ENOTDIR':
    case 'ELOOP':
    case 'EISDIR':
    case 'own-area':
    case 'EILSEQ':
      return 'unplaceable';
    case 'root-missing':
      return 'root-missing';
    default:
      return 'io-error';
  }
}

const TEXTS: Partial<Readonly<Record<ProblemCode, string>>> = {
  'permission-denied':
    'The system does not permit it. Check the owner and the permissions of it and of its directory.',
  'disk-full': 'The disk is full. It goes on by itself when there is space again.',
  submount: 'Another file system is mounted there, and is not part of the folder.',
  'directory-not-empty':
    'The directory was deleted elsewhere but holds something here that is not synced. Remove that to let it go.',
  unplaceable:
    'This system cannot hold it there: the name is too long for it, or a file stands where a directory is needed.',
  'root-missing': 'The folder or its .landropic directory is not there. Nothing is synced until it is back.',
};
