import type { Content } from '../../packages/daemon/src/core/model/file-entry.js';
import type { ContentHash } from '../../packages/daemon/src/core/model/identifiers.js';
import type { AreaPath, FileStat, StepPath } from '../../packages/daemon/src/core/ports/folder-disk.js';
import { contentOf, hashOf } from '../../packages/daemon/src/folder/folder-fixture.js';
import { DiskFailure } from '../../packages/daemon/src/folder/posix-disk/disk-failure.js';
import type { Inode } from './memory-file-system.js';

export const AREA = '.landropic';

export function entryPath(path: string): string {
  const [first = ''] = path.split('/', 1);
  if (first.toLowerCase() === AREA) throw new DiskFailure('own-area', path);
  return path;
}

export function areaPath(area: AreaPath): string {
  return area === '' ? AREA : `${AREA}/${area}`;
}

export function stepPath(at: StepPath): string {
  return 'entry' in at ? entryPath(at.entry) : areaPath(at.area);
}

export function statOf(inode: Inode): FileStat {
  return {
    type: inode.type,
    sizeBytes: inode.type === 'symlink' ? inode.target.length : inode.bytes.length,
    mtimeNs: inode.mtimeNs,
    ctimeNs: inode.ctimeNs,
    inode: inode.id,
    device: 1n,
    mode: inode.mode,
    links: inode.links,
  };
}

export function mustBeFile(inode: Inode | undefined): Inode {
  if (inode === undefined) throw new DiskFailure('ENOENT', 'nothing there');
  if (inode.type === 'symlink') throw new DiskFailure('ELOOP', 'a link');
  if (inode.type !== 'file') throw new DiskFailure('not-a-file', 'not a regular file');
  return inode;
}

export function sameFile(stat: FileStat, expected: FileStat): boolean {
  return (
    expected.type === 'file' &&
    stat.inode === expected.inode &&
    stat.sizeBytes === expected.sizeBytes &&
    stat.mtimeNs === expected.mtimeNs
  );
}

/** Arrays of bytes are never changed in place here, so each is hashed once. */
const hashes = new WeakMap<Uint8Array, ContentHash>();
const contents = new WeakMap<Uint8Array, Content & { type: 'file' }>();

export function hashOfBytes(bytes: Uint8Array): ContentHash {
  const known = hashes.get(bytes);
  if (known !== undefined) return known;
  const hash = hashOf(bytes);
  hashes.set(bytes, hash);
  return hash;
}

export function contentOfBytes(bytes: Uint8Array): Content & { type: 'file' } {
  const known = contents.get(bytes);
  if (known !== undefined) return known;
  const content = smallContent(bytes) ?? contentOf(bytes);
  contents.set(bytes, content);
  return content;
}

/** Up to this a content is one chunk, and no cutting is needed to know it. */
const ONE_CHUNK_BYTES = 65_536;

function smallContent(bytes: Uint8Array): (Content & { type: 'file' }) | undefined {
  if (bytes.length > ONE_CHUNK_BYTES) return undefined;
  const hash = hashOfBytes(bytes);
  const sizeBytes = bytes.length;
  return { type: 'file', sizeBytes, hash, chunks: sizeBytes === 0 ? [] : [{ hash, lengthBytes: sizeBytes }] };
}
