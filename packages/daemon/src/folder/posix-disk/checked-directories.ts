import { lstatSync } from 'node:fs';
import { AREA_NAME, type DirectoryAccess } from './directory-access.js';
import { codeOf, DiskFailure } from './disk-failure.js';

/**
 * Where handles cannot be used as paths: every component is looked at before it is gone through. A swap between the
 * look and the use is not noticed; that is what the handles of Linux are for.
 */
export class CheckedDirectories implements DirectoryAccess {
  readonly #root: string;
  readonly #rootDevice: number;

  constructor(rootPath: string) {
    this.#root = rootPath;
    try {
      this.#rootDevice = lstatSync(rootPath).dev;
      this.#check(AREA_NAME);
    } catch (error) {
      throw new DiskFailure('root-missing', `the folder or its marker is not there: ${codeOf(error)}`, {
        cause: error,
      });
    }
  }

  prefixOf(directory: string): string {
    if (directory === '') return `${this.#root}/`;
    for (let slash = directory.indexOf('/'); slash >= 0; slash = directory.indexOf('/', slash + 1)) {
      this.#check(directory.slice(0, slash));
    }
    this.#check(directory);
    return `${this.#root}/${directory}/`;
  }

  forget(): void {}

  close(): void {}

  #check(directory: string): void {
    const name = directory.slice(directory.lastIndexOf('/') + 1);
    if (name === '' || name === '.' || name === '..') throw new DiskFailure('EINVAL', 'not a plain path');
    const stats = lstatSync(`${this.#root}/${directory}`);
    if (!stats.isDirectory()) {
      throw new DiskFailure('ENOTDIR', `${JSON.stringify(directory)} is not a directory`);
    }
    if (stats.dev !== this.#rootDevice) {
      throw new DiskFailure('submount', `another file system is mounted at ${JSON.stringify(directory)}`);
    }
  }
}
