import type { DirectoryPath, RelativePath } from '../core/model/relative-path.js';
import { parentOf } from '../core/model/relative-path.js';
import type { ContentIndex, Held } from '../core/ports/content-index.js';
import type { DirectoryListing, DiskError, FolderDisk } from '../core/ports/folder-disk.js';
import type { ScanBatch, Scanner, ScanScope } from '../core/ports/scanner.js';
import {
  type ComparedDirectory,
  compareDirectory,
  type IgnoreRule,
  isHeldDirectory,
} from './directory-comparison.js';
import { RootMissingError } from './root-missing-error.js';
import { ScanFindings } from './scan-findings.js';
import { problemOfError } from './scan-problems.js';

/** What a scan needs to know of the index. */
export type HeldReader = Pick<ContentIndex, 'get' | 'heldChildren'>;

export interface ScannerOptions {
  /** Differences in one batch, roughly. Default 512. */
  readonly batchSize?: number;
  /** Listings that are asked for ahead of the comparison. Default 8. */
  readonly listingsAhead?: number;
  readonly isIgnored?: IgnoreRule;
}

interface Listed {
  readonly directory: DirectoryPath;
  readonly listing: ReturnType<FolderDisk['list']>;
}

/** Errors that say that a directory is not there, or no longer one: its parent's listing has more to say about it. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * Compares the disk with what is held. Takes no locks: a difference says where to look again under the lock of its
 * path. Absences are looked at twice before they are told.
 */
export class FolderScanner implements Scanner {
  readonly #disk: FolderDisk;
  readonly #held: HeldReader;
  readonly #batchSize: number;
  readonly #listingsAhead: number;
  readonly #isIgnored: IgnoreRule;

  constructor(dependencies: { disk: FolderDisk; held: HeldReader }, options: ScannerOptions = {}) {
    this.#disk = dependencies.disk;
    this.#held = dependencies.held;
    this.#batchSize = options.batchSize ?? 512;
    this.#listingsAhead = options.listingsAhead ?? 8;
    this.#isIgnored = options.isIgnored ?? (() => false);
  }

  /** Throws {@link RootMissingError} when the folder or its marker is not there, and the signal's reason. */
  async *scan(scope: ScanScope, signal: AbortSignal): AsyncIterable<ScanBatch> {
    const isDeep = scope.kind === 'everything';
    const starts = scope.kind === 'everything' ? ([''] as const) : await this.#findStarts(scope.paths);
    const findings = new ScanFindings(this.#disk, this.#batchSize);
    /** Last in, first out, so that it stays as short as the tree is deep, and wide on one branch. */
    const pending: DirectoryPath[] = [...starts].reverse();
    const listings: Listed[] = [];
    while (pending.length > 0 || listings.length > 0) {
      signal.throwIfAborted();
      this.#listAhead(pending, listings);
      const listed = listings.shift();
      if (listed === undefined) break;
      const result = await listed.listing;
      if (!result.ok) {
        this.#noteFailure(listed.directory, result.error, findings);
        continue;
      }
      const compared = this.#compare(listed.directory, result.value, findings);
      const descents = isDeep ? compared.subdirectories : compared.newSubdirectories;
      for (const path of [...descents].reverse()) pending.push(path);
      for (const absent of this.#absences(compared)) {
        findings.addAbsent(absent.path, absent.held);
        if (findings.isFull) yield await findings.take();
      }
      if (findings.isFull) yield await findings.take();
    }
    signal.throwIfAborted();
    yield await findings.take();
  }

  #listAhead(pending: DirectoryPath[], listings: Listed[]): void {
    while (listings.length < this.#listingsAhead) {
      const directory = pending.pop();
      if (directory === undefined) return;
      const listing = this.#disk.list(directory);
      // A scan that is given up leaves listings behind that nobody waits for.
      listing.catch(() => undefined);
      listings.push({ directory, listing });
    }
  }

  /**
   * The directories to list: a hinted one that is gone, or that nothing is held of, is told by its nearest parent that
   * is there and held, because parents come before children. What lies below another start is left to that one only if
   * it is new; known directories are not descended into.
   */
  async #findStarts(paths: readonly DirectoryPath[]): Promise<readonly DirectoryPath[]> {
    const starts = new Set<DirectoryPath>();
    const hinted = [...new Set(paths)];
    const stats = await this.#disk.stat(hinted.filter((path): path is RelativePath => path !== ''));
    let next = 0;
    for (const path of hinted) {
      if (path === '') {
        starts.add('');
        continue;
      }
      const stat = stats[next++];
      const isThere = stat?.ok === true && stat.value?.type === 'directory';
      starts.add(isThere && isHeldDirectory(this.#held.get(path)) ? path : this.#heldParentOf(path));
    }
    return [...starts].sort();
  }

  #heldParentOf(path: RelativePath): DirectoryPath {
    let parent = parentOf(path);
    while (parent !== '' && !isHeldDirectory(this.#held.get(parent))) parent = parentOf(parent);
    return parent;
  }

  #compare(directory: DirectoryPath, listing: DirectoryListing, findings: ScanFindings): ComparedDirectory {
    // Read after the listing, in the same turn as the comparison: what was applied in between is known.
    const rows = this.#held.heldChildren(directory);
    const compared = compareDirectory({ directory, listing, rows, isIgnored: this.#isIgnored });
    findings.addListed(directory);
    findings.addProblems(compared.problems);
    findings.addPresent(compared.present);
    return compared;
  }

  /** Everything held at and below what vanished, and below directories where something else stands now. */
  *#absences({ vanished, replaced }: ComparedDirectory): Generator<{ path: RelativePath; held: Held }> {
    for (const row of vanished) {
      if (row.held !== undefined) yield { path: row.path, held: row.held };
      yield* this.#heldBelow(row.path);
    }
    for (const row of replaced) yield* this.#heldBelow(row.path);
  }

  *#heldBelow(top: RelativePath): Generator<{ path: RelativePath; held: Held }> {
    const directories = [top];
    for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
      for (const row of this.#held.heldChildren(directory)) {
        if (row.held !== undefined) yield { path: row.path, held: row.held };
        // Of a row without anything held it is not known whether it was a directory.
        if (row.held === undefined || isHeldDirectory(row)) directories.push(row.path);
      }
    }
  }

  #noteFailure(directory: DirectoryPath, error: DiskError, findings: ScanFindings): void {
    if (error.code === 'root-missing') throw new RootMissingError(error.message);
    // The root's own errors are told as such; anything else that went away shows in its parent, next time.
    if (directory !== '' && GONE.has(error.code)) return;
    findings.addProblems([problemOfError(directory, error)]);
  }
}
