import type { AreaPath, DiskStep, FileStat } from '../../packages/daemon/src/core/ports/folder-disk.js';
import { DiskFailure } from '../../packages/daemon/src/folder/posix-disk/disk-failure.js';
import { sameIdentity } from '../../packages/daemon/src/folder/posix-disk/stat-record.js';
import type { Inode, MemoryFileSystem } from './memory-file-system.js';
import { ensureTemps, partialPath } from './memory-partials.js';
import { AREA, areaPath, entryPath, hashOfBytes, mustBeFile, statOf, stepPath } from './memory-places.js';

type Step<Op extends DiskStep['op']> = DiskStep & { readonly op: Op };

/** Carries out one step as a POSIX system does. `unflushed` collects new temps that are flushed after the batch. */
export function carryOutStep(
  files: MemoryFileSystem,
  step: DiskStep,
  unflushed: Inode[],
): FileStat | undefined {
  switch (step.op) {
    case 'write-temp':
      return writeTemp(files, step, unflushed);
    case 'partial-to-temp':
      return partialToTemp(files, step);
    case 'copy-to-temp':
      return copyToTemp(files, step);
    case 'link-temp':
      return moveWithoutReplacing(files, areaPath(step.temp), entryPath(step.to));
    case 'rename':
      return renameStep(files, step);
    case 'expect':
      return expectAt(files, step);
    case 'unshare':
      return unshare(files, step.area);
    case 'make-area':
      makeArea(files, step.area);
      return undefined;
    case 'mkdir':
      return statOf(files.makeDirectory(entryPath(step.path)));
    case 'rmdir':
      files.removeDirectory(entryPath(step.path));
      return undefined;
    case 'symlink':
      return statOf(files.symlink(entryPath(step.path), step.target));
    case 'unlink-area':
      if (files.lookUp(areaPath(step.area)) !== undefined) files.unlink(areaPath(step.area));
      return undefined;
    case 'clear-temps':
      clearTemps(files, step.prefixes);
      return undefined;
    case 'set-metadata':
      return setMetadata(files, step);
    case 'stat': {
      const inode = files.lookUp(stepPath(step.at));
      return inode && statOf(inode);
    }
  }
}

function writeTemp(files: MemoryFileSystem, step: Step<'write-temp'>, unflushed: Inode[]): FileStat {
  ensureTemps(files);
  const inode = files.createFile(areaPath(step.temp), Uint8Array.from(step.bytes), step.mode);
  files.setMetadata(inode, { mtimeNs: step.mtimeNs });
  unflushed.push(inode);
  return statOf(inode);
}

function partialToTemp(files: MemoryFileSystem, step: Step<'partial-to-temp'>): FileStat {
  const from = partialPath(step.hash);
  const inode = mustBeFile(files.lookUp(from));
  files.setMetadata(inode, step);
  const to = areaPath(step.temp);
  refuseExisting(files, to);
  return statOf(files.rename(from, to));
}

function copyToTemp(files: MemoryFileSystem, step: Step<'copy-to-temp'>): FileStat {
  const { bytes } = mustBeFile(files.lookUp(entryPath(step.from)));
  refuseExisting(files, areaPath(step.temp));
  if (hashOfBytes(bytes) !== step.hash) throw new DiskFailure('wrong-hash', 'another content');
  const inode = files.createFile(areaPath(step.temp), bytes, step.mode);
  files.setMetadata(inode, { mtimeNs: step.mtimeNs });
  files.flush(inode);
  return statOf(inode);
}

function renameStep(files: MemoryFileSystem, step: Step<'rename'>): FileStat {
  const from = stepPath(step.from);
  const to = stepPath(step.to);
  files.place(from);
  files.place(to);
  const inode = files.lookUp(from);
  if (!('area' in step.to)) {
    if (inode === undefined) throw new DiskFailure('ENOENT', from);
    if (inode.type !== 'directory') {
      if ('entry' in step.from) throw new DiskFailure('EINVAL', 'a file goes by way of the area');
      return moveWithoutReplacing(files, from, to);
    }
  }
  refuseExisting(files, to);
  return statOf(files.rename(from, to));
}

function moveWithoutReplacing(files: MemoryFileSystem, from: string, to: string): FileStat {
  const inode = files.link(from, to);
  files.unlink(from);
  return statOf(inode);
}

function expectAt(files: MemoryFileSystem, step: Step<'expect'>): FileStat | undefined {
  const inode = files.lookUp(stepPath(step.at));
  const stat = inode && statOf(inode);
  const isSame =
    stat === undefined || step.stat === undefined ? stat === step.stat : sameIdentity(stat, step.stat);
  if (!isSame) throw new DiskFailure('not-as-expected', 'something else stands there');
  if (step.hash !== undefined && hashOfBytes(mustBeFile(inode).bytes) !== step.hash) {
    throw new DiskFailure('not-as-expected', 'another content');
  }
  return stat;
}

function unshare(files: MemoryFileSystem, area: AreaPath): FileStat {
  const path = areaPath(area);
  const inode = files.lookUp(path);
  if (inode === undefined) throw new DiskFailure('ENOENT', path);
  if (inode.type !== 'file' || inode.links <= 1) return statOf(inode);
  const copyPath = `${AREA}/tmp/unshare-${inode.id}`;
  if (files.lookUp(copyPath) !== undefined) files.unlink(copyPath);
  const copy = files.createFile(copyPath, inode.bytes, inode.mode);
  files.setMetadata(copy, { mtimeNs: inode.mtimeNs });
  files.flush(copy);
  return statOf(files.rename(copyPath, path));
}

function makeArea(files: MemoryFileSystem, area: AreaPath): void {
  let path = AREA;
  for (const name of area.split('/')) {
    path = `${path}/${name}`;
    const standing = files.lookUp(path);
    if (standing === undefined) files.makeDirectory(path, 0o700);
    else if (standing.type !== 'directory') throw new DiskFailure('ENOTDIR', path);
  }
}

function clearTemps(files: MemoryFileSystem, prefixes: readonly string[]): void {
  ensureTemps(files);
  const temps = `${AREA}/tmp`;
  for (const name of [...files.directoryAt(temps).entries.keys()]) {
    if (prefixes.some((prefix) => name.startsWith(prefix))) files.unlink(`${temps}/${name}`);
  }
}

function setMetadata(files: MemoryFileSystem, step: Step<'set-metadata'>): FileStat {
  const inode = files.lookUp(entryPath(step.path));
  if (inode === undefined) throw new DiskFailure('ENOENT', step.path);
  const { mtimeNs, mode } = step;
  files.setMetadata(inode, {
    ...(mtimeNs === undefined ? {} : { mtimeNs }),
    ...(mode === undefined || inode.type === 'symlink' ? {} : { mode }),
  });
  return statOf(inode);
}

function refuseExisting(files: MemoryFileSystem, path: string): void {
  if (files.lookUp(path) !== undefined) throw new DiskFailure('EEXIST', path);
}
