import { createRequire } from 'node:module';
import type { Content, FileEntry } from '../../packages/daemon/src/core/model/file-entry.js';
import type {
  ContentHash,
  DeviceKey,
  FolderId,
  IncarnationId,
  IndexId,
} from '../../packages/daemon/src/core/model/identifiers.js';
import type { RelativePath } from '../../packages/daemon/src/core/model/relative-path.js';
import type { FolderState } from '../../packages/daemon/src/core/wire/frames.js';

// A native module of the daemon, which the tests' own folder cannot see.
const require = createRequire(new URL('../../packages/daemon/package.json', import.meta.url));
const { blake3 } = require('@napi-rs/blake-hash') as { blake3(bytes: Uint8Array): Buffer | string };

export const wireIncarnation = '00112233445566aa' as IncarnationId;

export function hashOf(bytes: Uint8Array): ContentHash {
  const digest = blake3(bytes);
  return (typeof digest === 'string' ? digest : digest.toString('hex')) as ContentHash;
}

/** What the wire peer says of a folder of its own, with this many entries. */
export function wireFolder(id: string, sequence: number): FolderState {
  return {
    folder: id as FolderId,
    label: id,
    indexId: 'ffeeddccbbaa9900' as IndexId,
    sequence,
    commitTag: '1122334455667788',
    holding: undefined,
  };
}

export function fileContent(bytes: Uint8Array): Content {
  const hash = hashOf(bytes);
  return { type: 'file', sizeBytes: bytes.length, hash, chunks: [{ hash, lengthBytes: bytes.length }] };
}

/** An entry that the wire peer authored now, at this sequence number. */
export function wireEntry(author: string, path: string, sequence: number, content: Content): FileEntry {
  const stamp = { found: false, physicalMs: Date.now(), counter: sequence, incarnation: wireIncarnation };
  return {
    path: path as RelativePath,
    version: {
      content,
      vector: new Map([[wireIncarnation, sequence]]),
      stamp,
      replaced: [],
      author: author as DeviceKey,
    },
    metadata: { mtimeNs: BigInt(Date.now()) * 1_000_000n, executable: false, stamp },
  };
}
