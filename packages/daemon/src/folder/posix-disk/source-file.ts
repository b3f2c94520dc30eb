import { closeSync } from 'node:fs';
import type { RelativePath } from '../../core/model/relative-path.js';
import type { DirectoryAccess } from './directory-access.js';
import { locateEntry, reach } from './location.js';
import { openRegular } from './regular-file.js';

/** The file that was read from last, kept open: requests for one file come one after another. */
export class SourceFile {
  readonly #access: DirectoryAccess;
  #path: RelativePath | undefined;
  #fd = -1;

  constructor(access: DirectoryAccess) {
    this.#access = access;
  }

  open(path: RelativePath): number {
    if (this.#path === path) return this.#fd;
    this.close();
    this.#fd = openRegular(reach(this.#access, locateEntry(path))).fd;
    this.#path = path;
    return this.#fd;
  }

  close(): void {
    if (this.#path === undefined) return;
    this.#path = undefined;
    closeSync(this.#fd);
  }
}
