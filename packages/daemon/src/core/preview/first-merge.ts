import type { Content } from '../model/file-entry.js';
import type { ContentHash } from '../model/identifiers.js';
import type { RelativePath } from '../model/relative-path.js';

/** What another device has at a path, as far as a comparison needs it. */
export type ContentThere =
  | { readonly type: 'file'; readonly sizeBytes: number; readonly hash: ContentHash }
  | { readonly type: 'symlink'; readonly target: string };

/** What stands at a path of this device, before anything was read. */
export type StandsHere =
  | { readonly type: 'file'; readonly sizeBytes: number }
  | { readonly type: 'symlink'; readonly target: string };

/** What merging two folders for the first time would do, in files and symlinks. */
export interface MergePreview {
  /** The same on both sides: they stay as they are. */
  readonly equal: number;
  /** They go to the other device. */
  readonly onlyHere: number;
  /** They come here. */
  readonly onlyThere: number;
  /** Both versions are kept, one as a conflict copy. */
  readonly different: number;
  /** Some of the different ones. */
  readonly differentPaths: readonly RelativePath[];
}

const MAX_PATHS_NAMED = 20;

/** Without chunk lists, which are most of an index. Undefined for what is no file or symlink. */
export function contentThere(content: Content): ContentThere | undefined {
  if (content.type === 'file') return { type: 'file', sizeBytes: content.sizeBytes, hash: content.hash };
  return content.type === 'symlink' ? content : undefined;
}

/** Counts what two folders have in common, one path after the other. */
export class FirstMerge {
  readonly #there: Map<RelativePath, ContentThere>;
  readonly #differentPaths: RelativePath[] = [];
  #equal = 0;
  #onlyHere = 0;
  #different = 0;

  constructor(there: ReadonlyMap<RelativePath, ContentThere>) {
    this.#there = new Map(there);
  }

  /** Each path once. `to-hash` where only the content can tell: it is to be given to {@link hashed}. */
  standsHere(path: RelativePath, here: StandsHere): 'told' | 'to-hash' {
    const there = this.#there.get(path);
    if (there === undefined) {
      this.#onlyHere++;
      return 'told';
    }
    if (here.type === 'file' && there.type === 'file' && here.sizeBytes === there.sizeBytes) return 'to-hash';
    const isEqual = here.type === 'symlink' && there.type === 'symlink' && here.target === there.target;
    this.#count(path, isEqual);
    return 'told';
  }

  /** Undefined for what could not be read: it counts as different. */
  hashed(path: RelativePath, hash: ContentHash | undefined): void {
    const there = this.#there.get(path);
    this.#count(path, there?.type === 'file' && there.hash === hash);
  }

  result(): MergePreview {
    return {
      equal: this.#equal,
      onlyHere: this.#onlyHere,
      onlyThere: this.#there.size,
      different: this.#different,
      differentPaths: this.#differentPaths,
    };
  }

  #count(path: RelativePath, isEqual: boolean): void {
    this.#there.delete(path);
    if (isEqual) this.#equal++;
    else {
      this.#different++;
      if (this.#differentPaths.length < MAX_PATHS_NAMED) this.#differentPaths.push(path);
    }
  }
}
