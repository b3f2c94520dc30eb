import { existsSync } from 'node:fs';
import { CheckedDirectories } from './checked-directories.js';
import type { DirectoryAccess } from './directory-access.js';
import { DirectoryHandles } from './directory-handles.js';

const hasHandlePaths = process.platform === 'linux' && existsSync('/proc/self/fd');

export function accessDirectories(rootPath: string): DirectoryAccess {
  return hasHandlePaths ? new DirectoryHandles(rootPath) : new CheckedDirectories(rootPath);
}
