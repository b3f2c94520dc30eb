import type { Content, ContentRegister, FileEntry, MetadataRegister } from '../model/file-entry.js';
import { MAX_REPLACED_HASHES } from '../model/file-entry.js';
import type { ContentHash, DeviceKey, IncarnationId } from '../model/identifiers.js';
import { MAX_PATH_BYTES, type RelativePath } from '../model/relative-path.js';
import { compareStamps, type Stamp } from '../model/stamp.js';
import type { VersionVector } from '../model/version-vector.js';
import { packChunks, packHashes, unpackChunks, unpackHashes } from './chunk-list.js';
import { findEntryFlaw } from './entry-flaw.js';
import {
  asBoolean,
  asBytes,
  asHex,
  asInteger,
  asList,
  asText,
  asUint,
  decodeFields,
  encodeFields,
  type Fields,
  hexBytes,
  malformed,
} from './fields.js';
import { readU32, writeHex, writeU32 } from './hex.js';
import { readIncarnation } from './incarnation-cache.js';
import { Limits } from './limits.js';
import { WireError } from './wire-error.js';

/** Keys of an entry. A version alone (what is held) has the same ones without the path. */
const Key = {
  path: 0,
  type: 1,
  vector: 2,
  stamp: 3,
  author: 4,
  replaced: 5,
  metadata: 6,
  sizeBytes: 7,
  hash: 8,
  /** Left out where they follow from size and hash: no chunk or one. */
  chunks: 9,
  /** How many chunks came ahead in ChunkListPart frames, instead of `chunks`. */
  chunksInParts: 10,
  target: 11,
} as const;

const ContentType = { file: 0, directory: 1, symlink: 2, deleted: 3 } as const;

const HASH_BYTES = 32;
const SHORT_ID_BYTES = 8;
const VECTOR_ITEM_BYTES = 2 * SHORT_ID_BYTES;

/** The content and metadata of one path, without the path: what the index keeps of what is held. */
export interface PathVersion {
  readonly version: ContentRegister;
  readonly metadata: MetadataRegister;
}

/** An entry as it came: when its chunks went ahead in parts, its own list is empty and has still to be put in. */
export interface DecodedEntry {
  readonly entry: FileEntry;
  readonly chunksInParts: number | undefined;
}

/** The bytes of an entry, the same in an IndexEntries frame and in the index. Throws {@link WireError}. */
export function encodeEntry(entry: FileEntry): Uint8Array {
  return encodeFields([[Key.path, entry.path], ...versionFields(entry)]);
}

/** The entry without its chunk list, which went ahead in ChunkListPart frames. */
export function encodeEntryWithoutChunks(entry: FileEntry): Uint8Array {
  const { content } = entry.version;
  const chunksInParts = content.type === 'file' ? content.chunks.length : undefined;
  return encodeFields([[Key.path, entry.path], ...versionFields(entry, chunksInParts)]);
}

/** Reads and checks a whole entry; throws {@link WireError}. */
export function decodeEntry(bytes: Uint8Array): FileEntry {
  const { entry, chunksInParts } = decodeSentEntry(bytes);
  if (chunksInParts !== undefined) throw new WireError('malformed', 'an entry without its chunk list');
  return entry;
}

/** Reads and checks an entry as it stands in an IndexEntries frame; throws {@link WireError}. */
export function decodeSentEntry(bytes: Uint8Array): DecodedEntry {
  const fields = decodeFields(bytes);
  const path = asText(fields.get(Key.path), 'path', MAX_PATH_BYTES) as RelativePath;
  const inParts = fields.get(Key.chunksInParts);
  const chunksInParts =
    inParts === undefined ? undefined : asUint(inParts, 'chunks in parts', Limits.chunksPerFile);
  const entry: FileEntry = { path, ...readVersion(fields, chunksInParts !== undefined) };
  if (chunksInParts !== undefined && entry.version.content.type !== 'file') {
    throw malformed('an entry with chunks', 'a file');
  }
  const flaw = findEntryFlaw(entry, chunksInParts !== undefined);
  if (flaw !== undefined) throw new WireError(flaw.code, `an entry is refused: ${flaw.text}`);
  return { entry, chunksInParts };
}

export function encodeVersion(version: PathVersion): Uint8Array {
  return encodeFields(versionFields(version));
}

export function decodeVersion(bytes: Uint8Array): PathVersion {
  return readVersion(decodeFields(bytes), false);
}

function versionFields(of: PathVersion, chunksInParts?: number): (readonly [number, unknown])[] {
  const { version, metadata } = of;
  const { content } = version;
  const fields: (readonly [number, unknown])[] = [
    [Key.type, ContentType[content.type]],
    [Key.vector, packVector(version.vector)],
    [Key.stamp, stampItems(version.stamp)],
    [Key.author, version.author],
    [Key.metadata, metadataItems(metadata, version.stamp)],
  ];
  if (version.replaced.length > 0) fields.push([Key.replaced, packHashes(version.replaced)]);
  if (content.type === 'symlink') fields.push([Key.target, content.target]);
  if (content.type === 'file') {
    fields.push([Key.sizeBytes, content.sizeBytes], [Key.hash, hexBytes(content.hash, HASH_BYTES, 'hash')]);
    if (chunksInParts !== undefined) fields.push([Key.chunksInParts, chunksInParts]);
    else if (!followsFromSize(content)) fields.push([Key.chunks, packChunks(content.chunks)]);
  }
  return fields;
}

function followsFromSize(content: Content & { type: 'file' }): boolean {
  if (content.chunks.length === 0) return content.sizeBytes === 0;
  const [chunk] = content.chunks;
  const isWhole = chunk?.hash === content.hash && chunk.lengthBytes === content.sizeBytes;
  return content.chunks.length === 1 && isWhole;
}

function readVersion(fields: Fields, chunksInParts: boolean): PathVersion {
  const replaced = fields.get(Key.replaced);
  const stamp = readStamp(asList(fields.get(Key.stamp), 'stamp', 8));
  return {
    version: {
      content: readContent(fields, chunksInParts),
      vector: unpackVector(fields.get(Key.vector)),
      stamp,
      replaced: replaced === undefined ? [] : unpackHashes(replaced, 'replaced', MAX_REPLACED_HASHES),
      author: asText(fields.get(Key.author), 'author', Limits.identifierCharacters) as DeviceKey,
    },
    metadata: readMetadata(asList(fields.get(Key.metadata), 'metadata', 8), stamp),
  };
}

function readContent(fields: Fields, chunksInParts: boolean): Content {
  switch (fields.get(Key.type)) {
    case ContentType.file: {
      const sizeBytes = asUint(fields.get(Key.sizeBytes), 'size');
      const hash = asHex(fields.get(Key.hash), 'hash', HASH_BYTES) as ContentHash;
      const packed = fields.get(Key.chunks);
      if (packed !== undefined) {
        return { type: 'file', sizeBytes, hash, chunks: unpackChunks(packed, Limits.chunksPerFile) };
      }
      const chunks = sizeBytes === 0 || chunksInParts ? [] : [{ hash, lengthBytes: sizeBytes }];
      return { type: 'file', sizeBytes, hash, chunks };
    }
    case ContentType.directory:
      return { type: 'directory' };
    case ContentType.symlink:
      return { type: 'symlink', target: asText(fields.get(Key.target), 'target', Limits.symlinkTargetBytes) };
    case ContentType.deleted:
      return { type: 'deleted' };
    default:
      throw malformed('content type', 'one of file, directory, symlink, deleted');
  }
}

function stampItems(stamp: Stamp): unknown[] {
  const incarnation = hexBytes(stamp.incarnation, SHORT_ID_BYTES, 'incarnation');
  return [stamp.found, stamp.physicalMs, stamp.counter, incarnation];
}

function readStamp(items: readonly unknown[]): Stamp {
  return {
    found: asBoolean(items[0], 'found'),
    physicalMs: asInteger(items[1], 'stamp time'),
    counter: asUint(items[2], 'stamp counter'),
    incarnation: readIncarnation(asBytes(items[3], 'incarnation', SHORT_ID_BYTES), 0),
  };
}

/** The stamp is left out (null) where it is that of the version: most entries were never touched after they were made. */
function metadataItems(metadata: MetadataRegister, versionStamp: Stamp): unknown[] {
  const isShared = compareStamps(metadata.stamp, versionStamp) === 0;
  const stamp = isShared ? null : stampItems(metadata.stamp);
  return [metadata.mtimeNs, metadata.executable, metadata.mode ?? null, stamp];
}

function readMetadata(items: readonly unknown[], versionStamp: Stamp): MetadataRegister {
  const [time, executable, mode, stamp] = items;
  if (typeof time !== 'bigint' && !Number.isSafeInteger(time)) throw malformed('mtime', 'an integer');
  const register = {
    mtimeNs: BigInt(time as bigint | number),
    executable: asBoolean(executable, 'executable'),
    stamp: stamp === null ? versionStamp : readStamp(asList(stamp, 'metadata stamp', 8)),
  };
  return mode === null ? register : { ...register, mode: asUint(mode, 'mode') };
}

/** Incarnation and counter, eight bytes each, in ascending order, so that one vector has one encoding. */
function packVector(vector: VersionVector): Uint8Array {
  const packed = new Uint8Array(vector.size * VECTOR_ITEM_BYTES);
  const items = vector.size > 1 ? [...vector].sort(([a], [b]) => (a < b ? -1 : 1)) : vector;
  let offset = 0;
  for (const [incarnation, counter] of items) {
    if (!writeHex(incarnation, SHORT_ID_BYTES, packed, offset)) {
      throw malformed('incarnation', '8 bytes in hex');
    }
    writeU32(Math.floor(counter / 0x1_0000_0000), packed, offset + 8);
    writeU32(counter, packed, offset + 12);
    offset += VECTOR_ITEM_BYTES;
  }
  return packed;
}

function unpackVector(value: unknown): VersionVector {
  const packed = asBytes(value, 'vector', Limits.vectorKeys * VECTOR_ITEM_BYTES);
  if (packed.length % VECTOR_ITEM_BYTES !== 0) throw malformed('vector', 'whole pairs');
  const vector = new Map<IncarnationId, number>();
  let last = '';
  for (let offset = 0; offset < packed.length; offset += VECTOR_ITEM_BYTES) {
    const incarnation = readIncarnation(packed, offset);
    if (incarnation <= last) throw malformed('vector', 'in ascending order');
    last = incarnation;
    const high = readU32(packed, offset + 8);
    if (high >= 0x20_0000) throw malformed('counter', 'a safe integer');
    vector.set(incarnation, high * 0x1_0000_0000 + readU32(packed, offset + 12));
  }
  return vector;
}
