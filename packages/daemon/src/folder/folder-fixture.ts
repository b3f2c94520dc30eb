import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { blake3 } from '@napi-rs/blake-hash';
import { Chunker, chunkParameters } from '../core/chunking/fastcdc.js';
import type { ChunkRef, Content, FileEntry } from '../core/model/file-entry.js';
import type { ContentHash, DeviceKey, IncarnationId } from '../core/model/identifiers.js';
import type { RelativePath } from '../core/model/relative-path.js';
import type { FileStat, FolderDisk } from '../core/ports/folder-disk.js';
import {
  type ClosableFolderDisk,
  createArea,
  createFolderDisk,
  type FolderDiskOptions,
} from './posix-disk/posix-folder-disk.js';

/** Real folders on a real disk, for the tests of what works on them. */

export interface TestFolder {
  readonly root: string;
  readonly disk: ClosableFolderDisk;
  write(path: string, content: string | Uint8Array): void;
  read(path: string): string;
  exists(path: string): boolean;
  /** What is in the folder apart from its own area: contents, `-> target` of links, `/` for directories. */
  tree(): Record<string, string>;
  /** The same of what lies in its own area. */
  area(): Record<string, string>;
  stat(path: string): Promise<FileStat>;
  remove(): Promise<void>;
}

export function makeTestFolder(
  options: Omit<FolderDiskOptions, 'rootPath'> = { threads: 0 },
  inDirectory?: string,
): TestFolder {
  const root = makeTestDirectory(inDirectory);
  createArea(root);
  const disk = createFolderDisk({ rootPath: root, ...options });
  return {
    root,
    disk,
    write(path, content) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    },
    read: (path) => readFileSync(join(root, path), 'utf8'),
    exists: (path) => existsSync(join(root, path)),
    tree: () => readTree(root, (name) => name !== '.landropic'),
    area: () => readTree(join(root, '.landropic'), () => true),
    async stat(path) {
      const [stat] = await disk.stat([path as RelativePath]);
      if (stat?.ok !== true || stat.value === undefined) throw new Error(`nothing at ${path}`);
      return stat.value;
    },
    async remove() {
      await disk.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The disk, but for some of its operations. */
export function alterDisk(disk: FolderDisk, altered: Partial<FolderDisk>): FolderDisk {
  return new Proxy(disk, {
    get: (target, name: keyof FolderDisk) => altered[name] ?? target[name].bind(target),
  });
}

export function makeTestDirectory(inDirectory = tmpdir()): string {
  return realpathSync(mkdtempSync(join(inDirectory, 'landropic-folder-')));
}

export function contentOf(bytes: string | Uint8Array): Content & { type: 'file' } {
  const buffer = Buffer.from(bytes);
  const chunks: ChunkRef[] = [];
  let start = 0;
  const add = (lengthBytes: number) => {
    chunks.push({ hash: hashOf(buffer.subarray(start, start + lengthBytes)), lengthBytes });
    start += lengthBytes;
  };
  const chunker = new Chunker(chunkParameters(buffer.length));
  chunker.push(buffer, add);
  chunker.finish(add);
  return { type: 'file', sizeBytes: buffer.length, hash: hashOf(buffer), chunks };
}

export function hashOf(bytes: string | Uint8Array): ContentHash {
  return blake3(bytes).toString('hex') as ContentHash;
}

export function entryOf(
  path: string,
  content: Content,
  metadata: Partial<FileEntry['metadata']> = {},
): FileEntry {
  const stamp = { found: false, physicalMs: 1_700_000_000_000, counter: 0, incarnation: INCARNATION };
  return {
    path: path as RelativePath,
    version: {
      content,
      vector: new Map([[INCARNATION, 1]]),
      stamp,
      replaced: [],
      author: 'DEVICE' as DeviceKey,
    },
    metadata: { mtimeNs: 1_700_000_000_123_456_000n, executable: false, stamp, ...metadata },
  };
}

const INCARNATION = '0123456789abcdef' as IncarnationId;

/** Bytes that look random and are the same each time. */
export function noise(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed | 0x9e3779b9;
  for (let i = 0; i < sizeBytes; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 0xff;
  }
  return bytes;
}

function readTree(root: string, isWanted: (name: string) => boolean): Record<string, string> {
  const tree: Record<string, string> = {};
  const walk = (directory: string) => {
    for (const name of readdirSync(join(root, directory)).sort()) {
      if (directory === '' && !isWanted(name)) continue;
      const path = directory === '' ? name : `${directory}/${name}`;
      const stats = lstatSync(join(root, path));
      if (stats.isDirectory()) {
        tree[`${path}/`] = '/';
        walk(path);
      } else if (stats.isSymbolicLink()) tree[path] = `-> ${readlinkSync(join(root, path))}`;
      else tree[path] = stats.isFile() ? readFileSync(join(root, path), 'utf8') : '?';
    }
  };
  walk('');
  return tree;
}
