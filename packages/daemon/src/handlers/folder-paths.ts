import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import type { AssembledFolder } from '../assembly/folder-assembly.js';
import type { FolderAtWork } from '../assembly/shared-folder-set.js';
import { type DirectoryPath, parseRelativePath, type RelativePath } from '../core/model/relative-path.js';
import { ApiError } from '../local-api/schema.js';
import type { DaemonParts } from './daemon-parts.js';
import { sharedFolder } from './named.js';

/** A folder that is at work, and a place in it. */
export interface PlaceInFolder {
  readonly folder: FolderAtWork;
  readonly assembled: AssembledFolder;
  /** `''` is the folder itself. */
  readonly path: DirectoryPath;
}

/**
 * Where a path that a person named is: absolute, or relative to the folder that is named with it. Throws `not-found` for
 * what lies in no shared folder, and `usage` for what cannot be a path in one.
 */
export function placeInFolder(parts: DaemonParts, path: string, folderName?: string): PlaceInFolder {
  const named = folderName === undefined ? undefined : sharedFolder(parts, folderName);
  if (named !== undefined && !isAbsolute(path)) return place(named, path);
  const real = resolveParent(path);
  for (const folder of named === undefined ? parts.folders.list() : [named]) {
    const within = relative(folder.setting.path, real);
    if (within !== '..' && !within.startsWith(`..${sep}`) && !isAbsolute(within))
      return place(folder, within);
  }
  const where = named === undefined ? 'no shared folder' : `folder ${named.setting.label}`;
  throw new ApiError('not-found', `${path} lies in ${where}. See: landropic folder list`);
}

/** The same, of something in the folder. */
export function entryInFolder(
  parts: DaemonParts,
  path: string,
  folderName?: string,
): PlaceInFolder & { readonly path: RelativePath } {
  const found = placeInFolder(parts, path, folderName);
  const { path: within } = found;
  if (within === '') throw new ApiError('usage', `${path} is the folder itself. Name something in it.`);
  return { ...found, path: within };
}

export function requireAtWork({ setting, assembled, problem }: FolderAtWork): AssembledFolder {
  if (assembled !== undefined) return assembled;
  const why = problem?.text ?? 'it is being opened';
  throw new ApiError('file-system', `Folder ${setting.label} is not at work: ${why}`);
}

function place(folder: FolderAtWork, path: string): PlaceInFolder {
  const assembled = requireAtWork(folder);
  const text = path.split(sep).join('/').normalize('NFC');
  if (text === '' || text === '.') return { folder, assembled, path: '' };
  const parsed = parseRelativePath(text.replace(/^(\.\/)+/, '').replace(/\/+$/, ''));
  if (parsed === undefined) throw new ApiError('usage', `'${path}' cannot be a path in a shared folder.`);
  return { folder, assembled, path: parsed };
}

/** Links above it are followed, as folders keep their real paths; what it names itself may be a link, or gone. */
function resolveParent(path: string): string {
  const parent = dirname(path);
  if (parent === path) return path;
  try {
    return join(realpathSync.native(parent), basename(path));
  } catch {
    return join(resolveParent(parent), basename(path));
  }
}
