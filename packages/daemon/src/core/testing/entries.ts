/** Short ways to write versions and rows in tests. */
import type { Content, ContentRegister, FileEntry, MetadataRegister } from '../model/file-entry.js';
import type { ContentHash, DeviceKey, IncarnationId } from '../model/identifiers.js';
import type { RelativePath } from '../model/relative-path.js';
import type { Stamp } from '../model/stamp.js';
import type { VersionVector } from '../model/version-vector.js';
import type { Held, IndexRow } from '../ports/content-index.js';
import type { FileStat } from '../ports/folder-disk.js';

export const asPath = (text: string): RelativePath => text as RelativePath;

/** A content hash that shows which text it stands for. */
export function hashOf(text: string): ContentHash {
  let hex = '';
  for (const unit of text) hex += (unit.codePointAt(0) ?? 0).toString(16).padStart(2, '0').slice(-2);
  return hex.padEnd(64, '0').slice(0, 64) as ContentHash;
}

/** The incarnation of the device with this one-letter name. */
export function incarnationOf(device: string): IncarnationId {
  return hashOf(device).slice(0, 2).repeat(8) as IncarnationId;
}

export function file(text: string): Content & { type: 'file' } {
  const hash = hashOf(text);
  return { type: 'file', sizeBytes: text.length, hash, chunks: [{ hash, lengthBytes: text.length }] };
}

export const directory: Content = { type: 'directory' };
export const deleted: Content = { type: 'deleted' };
export const symlink = (target: string): Content => ({ type: 'symlink', target });

/** `{ a: 1, b: 2 }`: counters by device. */
export function vectorOf(counters: Readonly<Record<string, number>>): VersionVector {
  return new Map(
    Object.entries(counters).map(([device, counter]) => [incarnationOf(device), counter] as const),
  );
}

export function stampOf(physicalMs: number, device = 'a', found = false): Stamp {
  return { found, physicalMs, counter: 0, incarnation: incarnationOf(device) };
}

export interface VersionOptions {
  readonly content: Content;
  readonly vector: Readonly<Record<string, number>>;
  readonly at: number;
  /** Whose stamp it is; the first device of the vector unless told. */
  readonly by?: string;
  readonly found?: boolean;
  readonly replaced?: readonly string[];
  readonly metadata?: Partial<MetadataRegister>;
}

export function versionOf(options: VersionOptions): ContentRegister {
  const by = options.by ?? Object.keys(options.vector)[0] ?? 'a';
  return {
    content: options.content,
    vector: vectorOf(options.vector),
    stamp: stampOf(options.at, by, options.found),
    replaced: (options.replaced ?? []).map(hashOf),
    author: `DEVICE${by.toUpperCase()}-REST` as DeviceKey,
  };
}

export function entryOf(path: string, options: VersionOptions): FileEntry {
  const version = versionOf(options);
  const metadata = { mtimeNs: 0n, executable: false, stamp: version.stamp, ...options.metadata };
  return { path: asPath(path), version, metadata };
}

export function statOf(type: FileStat['type'], mode = 0o644): FileStat {
  return {
    type,
    sizeBytes: 0,
    mtimeNs: 0n,
    ctimeNs: 0n,
    inode: 1n,
    device: 1n,
    mode,
    links: 1,
  };
}

/** {@link entryOf} at the path `p`, in fewer words. */
export function at(
  content: Content,
  vector: Readonly<Record<string, number>>,
  atMs: number,
  more: Partial<VersionOptions> = {},
): FileEntry {
  return entryOf('p', { content, vector, at: atMs, ...more });
}

/** The entry with other metadata, stamped at `atMs`. */
export function withMetadata(
  entry: FileEntry,
  atMs: number,
  change: Partial<MetadataRegister> = {},
): FileEntry {
  const stamp = { ...entry.metadata.stamp, physicalMs: atMs };
  return { ...entry, metadata: { ...entry.metadata, stamp, ...change } };
}

/** What an entry is once it stands on the disk. A deletion that is held is an implicit directory. */
export function heldOf(entry: FileEntry, standing?: FileStat['type']): Held {
  const { type } = entry.version.content;
  const stat = statOf(standing ?? (type === 'deleted' ? 'directory' : type));
  return { version: entry.version, metadata: entry.metadata, stat, racy: false };
}

export function rowOf(path: string, known: FileEntry | undefined, held?: Held): IndexRow {
  return { path: asPath(path), sequence: 1, known, held, source: undefined, conflictOf: undefined };
}

/** No BLAKE3, but as good for tests: 32 bytes that depend on every byte. */
export function fakeBlake3(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(32);
  let state = 0x811c9dc5;
  for (const byte of bytes) state = Math.imul(state ^ byte, 0x01000193);
  for (let i = 0; i < 32; i++) {
    state = Math.imul(state ^ (state >>> 15) ^ i, 0x2c1b3c6d);
    digest[i] = state >>> 24;
  }
  return digest;
}
