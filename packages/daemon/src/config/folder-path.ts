import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { ConfigError } from './config-error.js';

export interface FolderPathOptions {
  /** Paths of the folders that are shared already. */
  readonly sharedPaths: readonly string[];
  /** The home of this daemon, which must not be shared. */
  readonly homeDirectory: string;
  /** What a path that is not absolute starts from. */
  readonly workingDirectory?: string;
}

/**
 * The path of a directory that can be shared: absolute and without symlinks.
 * Throws {@link ConfigError} `file-system` when it is missing, no directory, not writable, inside of another shared
 * folder or around one, or where this daemon keeps its own files.
 */
export function checkFolderPath(path: string, options: FolderPathOptions): string {
  const wanted = resolve(options.workingDirectory ?? process.cwd(), path);
  const real = resolveDirectory(wanted);
  for (const shared of options.sharedPaths) {
    if (isInside(real, shared)) throw refused(`${wanted} is inside the shared folder ${shared}.`);
    if (isInside(shared, real)) throw refused(`The shared folder ${shared} is inside ${wanted}.`);
  }
  const home = realOrSame(options.homeDirectory);
  if (isInside(real, home) || isInside(home, real)) {
    throw refused(`${wanted} and landropic's own directory ${options.homeDirectory} are inside one another.`);
  }
  return real;
}

/** True for the directory itself, too. */
export function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function resolveDirectory(wanted: string): string {
  let real: string;
  try {
    real = realpathSync.native(wanted);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw refused(isMissing ? `${wanted} does not exist.` : `${wanted} cannot be reached.`, cause);
  }
  if (!statSync(real).isDirectory()) throw refused(`${wanted} is not a directory.`);
  try {
    accessSync(real, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw refused(`${wanted} is not readable and writable for this user.`, cause);
  }
  return real;
}

function realOrSame(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

function refused(message: string, cause?: unknown): ConfigError {
  return new ConfigError('file-system', message, {
    hint: 'Choose another directory; nothing was changed.',
    cause,
  });
}
