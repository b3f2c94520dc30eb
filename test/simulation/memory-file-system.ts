import { DiskFailure } from '../../packages/daemon/src/folder/posix-disk/disk-failure.js';

/** A thing on a disk in memory. What a name leads to; a file has as many names as `links` says. */
export interface Inode {
  readonly id: bigint;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly target: string;
  /** Of a directory. */
  readonly entries: Map<string, Inode>;
  /** Names that a loss of power cannot take away any more. */
  durableEntries: Map<string, Inode>;
  /** Never changed in place: a write puts another array here. */
  bytes: Uint8Array;
  /** What was flushed last; undefined where nothing ever was. */
  durableBytes: Uint8Array | undefined;
  mtimeNs: bigint;
  ctimeNs: bigint;
  mode: number;
  links: number;
}

/** One step of the file system on names: all of it lasts or nothing. */
interface NameChange {
  readonly child: Inode;
  readonly names: readonly {
    readonly directory: Inode;
    readonly name: string;
    readonly to: Inode | undefined;
  }[];
}

export interface PowerLoss {
  /** From 0 up to 1. */
  readonly random: () => number;
  /** `journal`: what lasts is all up to some moment. `any`: whatever does not depend on something that was lost. */
  readonly order: 'journal' | 'any';
}

export interface MemoryFileSystemOptions {
  readonly nowMs: () => number;
  /** Times are cut to this: file systems differ, and kernels tick. Default 1,000. */
  readonly granularityNs?: bigint;
}

export const EMPTY = new Uint8Array(0);

/**
 * A file system in memory that knows what of it would outlive a loss of power. A killed process loses nothing; a machine
 * loses what was not flushed: contents that may be old, empty or cut, and names, of which later ones that touch the same
 * thing never outlive earlier ones.
 */
export class MemoryFileSystem {
  readonly root: Inode;
  /** Changes of anything, for a checker of silence. */
  writes = 0;
  private nextId = 1n;
  private lastNs = 0n;
  private pending: NameChange[] = [];
  private readonly dirty = new Set<Inode>();

  constructor(private readonly options: MemoryFileSystemOptions) {
    this.root = this.createInode('directory', 0o755);
  }

  // ---- names

  /** The directory, gone to component by component and never through a link. */
  directoryAt(path: string): Inode {
    let at = this.root;
    if (path === '') return at;
    for (const name of path.split('/')) {
      const next = at.entries.get(name);
      if (next === undefined) throw new DiskFailure('ENOENT', path);
      if (next.type !== 'directory') throw new DiskFailure('ENOTDIR', path);
      at = next;
    }
    return at;
  }

  lookUp(path: string): Inode | undefined {
    const { directory, name } = this.place(path);
    return directory.entries.get(name);
  }

  place(path: string): { readonly directory: Inode; readonly name: string } {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    if (name === '' || name === '.' || name === '..') throw new DiskFailure('EINVAL', path);
    return { directory: this.directoryAt(slash < 0 ? '' : path.slice(0, slash)), name };
  }

  createFile(path: string, bytes: Uint8Array, mode: number): Inode {
    const inode = this.createInode('file', mode);
    inode.bytes = bytes;
    this.dirty.add(inode);
    this.add(path, inode);
    return inode;
  }

  makeDirectory(path: string, mode = 0o755): Inode {
    const inode = this.createInode('directory', mode);
    this.add(path, inode);
    return inode;
  }

  symlink(path: string, target: string): Inode {
    const inode = this.createInode('symlink', 0o777, target);
    this.add(path, inode);
    return inode;
  }

  /** A further name of a file or a link. */
  link(from: string, to: string): Inode {
    this.place(to);
    const inode = this.mustFind(from);
    if (inode.type === 'directory') throw new DiskFailure('EPERM', from);
    this.add(to, inode);
    return inode;
  }

  unlink(path: string): void {
    const { directory, name } = this.place(path);
    const inode = this.mustFind(path);
    if (inode.type === 'directory') throw new DiskFailure('EISDIR', path);
    inode.links -= 1;
    this.changed(inode);
    this.commit(inode, [{ directory, name, to: undefined }]);
  }

  removeDirectory(path: string): void {
    const { directory, name } = this.place(path);
    const inode = this.mustFind(path);
    if (inode.type !== 'directory') throw new DiskFailure('ENOTDIR', path);
    if (inode.entries.size > 0) throw new DiskFailure('ENOTEMPTY', path);
    this.commit(inode, [{ directory, name, to: undefined }]);
  }

  /** As the system's: a file at the target is replaced in the same instant. */
  rename(from: string, to: string): Inode {
    const source = this.place(from);
    const inode = this.mustFind(from);
    const target = this.place(to);
    const standing = target.directory.entries.get(target.name);
    if (standing === inode) return inode;
    if (inode.type === 'directory' && `${to}/`.startsWith(`${from}/`)) throw new DiskFailure('EINVAL', to);
    if (standing !== undefined) {
      if (standing.type === 'directory') {
        if (inode.type !== 'directory') throw new DiskFailure('EISDIR', to);
        if (standing.entries.size > 0) throw new DiskFailure('ENOTEMPTY', to);
      } else if (inode.type === 'directory') throw new DiskFailure('ENOTDIR', to);
      standing.links -= 1;
      this.changed(standing);
    }
    this.changed(inode);
    this.commit(inode, [
      { ...source, to: undefined },
      { ...target, to: inode },
    ]);
    return inode;
  }

  // ---- contents

  write(inode: Inode, bytes: Uint8Array): void {
    inode.bytes = bytes;
    inode.mtimeNs = this.nowNs();
    this.dirty.add(inode);
    this.changed(inode);
  }

  setMetadata(inode: Inode, metadata: { readonly mtimeNs?: bigint; readonly mode?: number }): void {
    // The system takes times in microseconds.
    if (metadata.mtimeNs !== undefined)
      inode.mtimeNs = metadata.mtimeNs - (((metadata.mtimeNs % 1000n) + 1000n) % 1000n);
    if (metadata.mode !== undefined) inode.mode = metadata.mode & 0o7777;
    this.changed(inode);
  }

  // ---- what lasts

  flush(inode: Inode): void {
    inode.durableBytes = inode.bytes;
    this.dirty.delete(inode);
  }

  /** What was done to names in it lasts from now on, and what that depends on. */
  flushDirectory(directory: Inode): void {
    const kept = this.close(this.pending.map((change) => touches(change, directory)));
    this.settle(kept, 'keep');
  }

  /** As a program that flushes everything, and as a kernel does by itself after half a minute. */
  flushAll(): void {
    for (const inode of [...this.dirty]) this.flush(inode);
    this.settle(
      this.pending.map(() => true),
      'keep',
    );
  }

  /** The machine stops here: the disk is now as it would be found after it. Returns what it took, as counts. */
  losePower({ random, order }: PowerLoss): { readonly names: number; readonly contents: number } {
    const cut = Math.floor(random() * (this.pending.length + 1));
    const chosen = this.pending.map((_, i) => (order === 'journal' ? i < cut : random() < 0.5));
    const kept = this.close(chosen);
    const names = kept.filter((isKept) => !isKept).length;
    this.settle(kept, 'lose');
    let contents = 0;
    for (const inode of [...this.dirty]) {
      const left = whatIsLeft(inode, random);
      if (left !== inode.bytes) contents += 1;
      inode.bytes = left;
      this.flush(inode);
    }
    this.restoreNames(this.root);
    return { names, contents };
  }

  // ---- inside

  private mustFind(path: string): Inode {
    const inode = this.lookUp(path);
    if (inode === undefined) throw new DiskFailure('ENOENT', path);
    return inode;
  }

  private createInode(type: Inode['type'], mode: number, target = ''): Inode {
    const nowNs = this.nowNs();
    return {
      id: this.nextId++,
      type,
      target,
      entries: new Map(),
      durableEntries: new Map(),
      bytes: EMPTY,
      durableBytes: undefined,
      mtimeNs: nowNs,
      ctimeNs: nowNs,
      mode,
      links: type === 'directory' ? 2 : 0,
    };
  }

  private add(path: string, inode: Inode): void {
    const { directory, name } = this.place(path);
    if (directory.entries.has(name)) throw new DiskFailure('EEXIST', path);
    if (inode.type !== 'directory') inode.links += 1;
    this.changed(inode);
    this.commit(inode, [{ directory, name, to: inode }]);
  }

  private commit(child: Inode, names: NameChange['names']): void {
    for (const { directory, name, to } of names) {
      if (to === undefined) directory.entries.delete(name);
      else directory.entries.set(name, to);
      directory.mtimeNs = this.nowNs();
      directory.ctimeNs = directory.mtimeNs;
    }
    this.pending.push({ child, names });
  }

  private changed(inode: Inode): void {
    inode.ctimeNs = this.nowNs();
    this.writes += 1;
  }

  private nowNs(): bigint {
    const { nowMs, granularityNs = 1_000n } = this.options;
    const now = BigInt(Math.floor(nowMs() * 1_000)) * 1_000n;
    // Within one instant of the virtual clock time goes on all the same, as it does in a kernel.
    this.lastNs = now > this.lastNs || this.lastNs - now > 1_000_000_000n ? now : this.lastNs + 1_000n;
    return this.lastNs - (this.lastNs % granularityNs);
  }

  /** The chosen changes, and every earlier one that one of them builds on. */
  private close(chosen: readonly boolean[]): boolean[] {
    const kept = [...chosen];
    for (let i = this.pending.length - 1; i >= 0; i--) {
      const change = this.pending[i];
      if (change === undefined || kept[i] !== true) continue;
      for (let j = i - 1; j >= 0; j--) {
        const earlier = this.pending[j];
        if (earlier !== undefined && kept[j] !== true && buildsOn(change, earlier)) kept[j] = true;
      }
    }
    return kept;
  }

  private settle(kept: readonly boolean[], rest: 'keep' | 'lose'): void {
    const pending: NameChange[] = [];
    for (const [i, change] of this.pending.entries()) {
      if (kept[i] !== true) {
        if (rest === 'keep') pending.push(change);
        continue;
      }
      for (const { directory, name, to } of change.names) {
        if (to === undefined) directory.durableEntries.delete(name);
        else directory.durableEntries.set(name, to);
      }
    }
    this.pending = pending;
  }

  private restoreNames(root: Inode): void {
    const links = new Map<Inode, number>();
    const visit = (directory: Inode) => {
      directory.entries.clear();
      for (const [name, inode] of directory.durableEntries) {
        directory.entries.set(name, inode);
        if (inode.type === 'directory') visit(inode);
        else links.set(inode, (links.get(inode) ?? 0) + 1);
      }
    };
    visit(root);
    for (const [inode, count] of links) inode.links = count;
  }
}

function touches(change: NameChange, directory: Inode): boolean {
  return change.names.some((name) => name.directory === directory);
}

/** Whether a change makes no sense without the earlier one: the same thing, the same name, or a name in what it made. */
function buildsOn(change: NameChange, earlier: NameChange): boolean {
  if (change.child === earlier.child) return true;
  return change.names.some(
    (name) =>
      name.directory === earlier.child ||
      earlier.child === name.to ||
      earlier.names.some(
        (before) =>
          (before.directory === name.directory && before.name === name.name) ||
          before.directory === change.child,
      ),
  );
}

/** What a file that was not flushed holds afterwards. */
function whatIsLeft(inode: Inode, random: () => number): Uint8Array {
  const fate = random();
  if (fate < 0.4) return inode.bytes;
  if (fate < 0.7) return inode.durableBytes ?? EMPTY;
  if (fate < 0.85) return EMPTY;
  return new Uint8Array(inode.bytes.length);
}
