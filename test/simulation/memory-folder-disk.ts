import type { Content } from '../../packages/daemon/src/core/model/file-entry.js';
import type { ContentHash } from '../../packages/daemon/src/core/model/identifiers.js';
import type { DirectoryPath, RelativePath } from '../../packages/daemon/src/core/model/relative-path.js';
import type {
  AreaPath,
  CopyChunk,
  DirectoryListing,
  DiskResult,
  DiskStep,
  FileStat,
  FolderDisk,
  HashedFile,
  ReadChunk,
  StepResult,
  WriteChunk,
} from '../../packages/daemon/src/core/ports/folder-disk.js';
import {
  attempt,
  DiskFailure,
  toDiskError,
} from '../../packages/daemon/src/folder/posix-disk/disk-failure.js';
import { carryOutStep } from './memory-disk-steps.js';
import type { Inode, MemoryFileSystem } from './memory-file-system.js';
import { MemoryPartials } from './memory-partials.js';
import {
  areaPath,
  contentOfBytes,
  entryPath,
  hashOfBytes,
  mustBeFile,
  sameFile,
  statOf,
} from './memory-places.js';

type FileContent = Content & { type: 'file' };

/** What happens around the calls of a folder's disk. */
export interface DiskEvents {
  /**
   * Called before each call and each step, and after each that changed something. May change the disk. May name the
   * error that the call fails with; `gone` when the process that called is no more.
   */
  at(moment: 'before' | 'after', call: string, path: string): string | undefined;
}

const QUIET: DiskEvents = { at: () => undefined };
const NEVER = new Promise<never>(() => {});
export const GONE = 'gone';

/** The disk of one folder, in memory, as one process sees it: once that process is killed no call ever returns. */
export class MemoryFolderDisk implements FolderDisk {
  private readonly partials: MemoryPartials;
  private isGone = false;

  constructor(
    readonly files: MemoryFileSystem,
    private readonly events: DiskEvents = QUIET,
  ) {
    this.partials = new MemoryPartials(files);
  }

  /** The process is killed: what it had begun is as far as it was. */
  abandon(): void {
    this.isGone = true;
  }

  list(directory: DirectoryPath): Promise<DiskResult<DirectoryListing>> {
    return this.call('list', directory, () => {
      const listed = this.files.directoryAt(directory === '' ? '' : entryPath(directory));
      const entries = [...listed.entries].map(([name, inode]) => ({
        name,
        stat: statOf(inode),
        ...(inode.type === 'symlink' ? { target: inode.target } : {}),
      }));
      return { stat: statOf(listed), entries, unreadableNames: [] };
    });
  }

  stat(paths: readonly RelativePath[]): Promise<readonly DiskResult<FileStat | undefined>[]> {
    return this.callEach('stat', paths, (path) => {
      const inode = this.files.lookUp(entryPath(path));
      return inode && statOf(inode);
    });
  }

  hash(path: RelativePath, expected: FileStat, signal: AbortSignal): Promise<DiskResult<HashedFile>> {
    return this.call('hash', path, () => {
      if (signal.aborted) throw new DiskFailure('aborted', 'hashing was given up');
      return this.hashed(path, expected);
    });
  }

  hashSmall(
    files: readonly { path: RelativePath; expected: FileStat }[],
  ): Promise<readonly DiskResult<HashedFile>[]> {
    return this.callEach(
      'hash',
      files.map(({ path }) => path),
      (path, i) => {
        const file = files[i];
        if (file === undefined) throw new DiskFailure('EINVAL', path);
        return this.hashed(path, file.expected);
      },
    );
  }

  async readChunks(requests: readonly ReadChunk[]): Promise<readonly (Uint8Array | undefined)[]> {
    const read = await this.callEach(
      'read-chunks',
      requests.map(({ path }) => path),
      (path, i) => {
        const { bytes } = mustBeFile(this.files.lookUp(entryPath(path)));
        const request = requests[i];
        if (request === undefined) return undefined;
        const { offsetBytes, chunk } = request;
        const found = bytes.subarray(offsetBytes, offsetBytes + chunk.lengthBytes);
        return hashOfBytes(found) === chunk.hash ? Uint8Array.from(found) : undefined;
      },
    );
    return read.map((result) => (result.ok ? result.value : undefined));
  }

  openPartial(content: FileContent): Promise<DiskResult<{ readonly present: readonly boolean[] }>> {
    return this.call('open-partial', content.hash, () => this.partials.open(content));
  }

  writeChunks(
    hash: ContentHash,
    writes: readonly WriteChunk[],
  ): Promise<readonly DiskResult<'written' | 'wrong-hash'>[]> {
    return this.callEach(
      'write-chunks',
      writes.map(() => hash),
      (_hash, i) => this.partials.write(hash, writes[i]),
    );
  }

  async copyChunks(hash: ContentHash, copies: readonly CopyChunk[]): Promise<readonly boolean[]> {
    const copied = await this.callEach(
      'copy-chunks',
      copies.map(({ from }) => from.path),
      (_path, i) => this.partials.copy(hash, copies[i]),
    );
    return copied.map((result) => result.ok && result.value);
  }

  hashAhead(): Promise<void> {
    return Promise.resolve();
  }

  finishPartial(content: FileContent): Promise<DiskResult<'complete' | 'wrong-hash'>> {
    return this.call('finish-partial', content.hash, () => this.partials.finish(content));
  }

  async discardPartial(hash: ContentHash): Promise<void> {
    await this.call('discard-partial', hash, () => this.partials.discard(hash));
  }

  async listPartials(): Promise<readonly ContentHash[]> {
    const listed = await this.call('list-partials', '', () => this.partials.list());
    return listed.ok ? listed.value : [];
  }

  run(items: readonly DiskStep[][]): Promise<readonly StepResult[][]> {
    const results: StepResult[][] = [];
    const unflushed: Inode[] = [];
    for (const steps of items) {
      const done: StepResult[] = [];
      results.push(done);
      for (const step of steps) {
        const result = this.attempt(step.op, pathOfStep(step), () =>
          carryOutStep(this.files, step, unflushed),
        );
        if (this.isGone) return NEVER;
        if (!result.ok) {
          done.push(result);
          break;
        }
        done.push({ ok: true, ...(result.value === undefined ? {} : { stat: result.value }) });
      }
    }
    for (const inode of unflushed) this.files.flush(inode);
    return Promise.resolve(results);
  }

  flushDirectories(
    directories: readonly (DirectoryPath | { readonly area: AreaPath })[],
  ): Promise<DiskResult<void>> {
    return this.call('flush-directories', '', () => {
      for (const directory of directories) {
        const path = typeof directory === 'string' ? directory : areaPath(directory.area);
        const found = attempt(path, () => this.files.directoryAt(path));
        if (found.ok) this.files.flushDirectory(found.value);
      }
    });
  }

  freeBytes(): Promise<DiskResult<{ readonly freeBytes: number; readonly totalBytes: number }>> {
    return this.call('measure-space', '', () => ({ freeBytes: 2 ** 40, totalBytes: 2 ** 41 }));
  }

  private hashed(path: RelativePath, expected: FileStat): HashedFile {
    const inode = mustBeFile(this.files.lookUp(entryPath(path)));
    if (!sameFile(statOf(inode), expected)) throw new DiskFailure('changed-meanwhile', 'it changed');
    return { stat: statOf(inode), content: contentOfBytes(inode.bytes) };
  }

  private call<T>(op: string, path: string, work: () => T): Promise<DiskResult<T>> {
    const result = this.attempt(op, path, work);
    return this.isGone ? NEVER : Promise.resolve(result);
  }

  private callEach<T>(
    op: string,
    paths: readonly string[],
    work: (path: RelativePath, index: number) => T,
  ): Promise<readonly DiskResult<T>[]> {
    const results: DiskResult<T>[] = [];
    for (const [i, path] of paths.entries()) {
      results.push(this.attempt(op, path, () => work(path as RelativePath, i)));
      if (this.isGone) return NEVER;
    }
    return Promise.resolve(results);
  }

  private attempt<T>(op: string, path: string, work: () => T): DiskResult<T> {
    const missing = this.rootMissing();
    if (missing !== undefined) return missing;
    const code = this.isGone ? GONE : this.events.at('before', op, path);
    if (code !== undefined) return { ok: false, error: { code, message: `${op} ${path}: ${code}` } };
    const writesBefore = this.files.writes;
    let result: DiskResult<T>;
    try {
      result = { ok: true, value: work() };
    } catch (error) {
      result = { ok: false, error: toDiskError(error, path) };
    }
    if (this.files.writes !== writesBefore) this.events.at('after', op, path);
    return result;
  }

  private rootMissing(): DiskResult<never> | undefined {
    if (this.files.root.entries.get('.landropic')?.type === 'directory') return undefined;
    return { ok: false, error: { code: 'root-missing', message: "the folder's marker is not there" } };
  }
}

function pathOfStep(step: DiskStep): string {
  if ('path' in step) return step.path;
  if ('to' in step)
    return typeof step.to === 'string' ? step.to : 'entry' in step.to ? step.to.entry : step.to.area;
  if ('at' in step) return 'entry' in step.at ? step.at.entry : step.at.area;
  if ('temp' in step) return step.temp;
  return 'area' in step ? step.area : '';
}
