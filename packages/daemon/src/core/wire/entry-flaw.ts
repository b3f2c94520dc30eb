import { isReservedPath } from '../guards/path-safety.js';
import type { Content, ContentRegister, FileEntry, MetadataRegister } from '../model/file-entry.js';
import { MAX_REPLACED_HASHES } from '../model/file-entry.js';
import { findPathFlaw } from '../model/relative-path.js';
import type { Stamp } from '../model/stamp.js';
import { findChunkFlaw } from './chunk-list.js';
import { Limits } from './limits.js';
import type { WireErrorCode } from './wire-error.js';

export interface EntryFlaw {
  readonly code: Exclude<WireErrorCode, 'unknown-frame'>;
  /** What is wrong, without the path and without anything that the entry says. */
  readonly text: string;
}

const DEVICE_KEY = /^[A-Za-z0-9_-]{1,128}$/;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const INT64_MAX = 2n ** 63n - 1n;
const MAX_MODE = 0o7777;

const encoder = new TextEncoder();

/**
 * What keeps an entry from being sent, or one that came from being believed; one rule for both sides. Chunks that
 * travel ahead in parts are checked when they are put together.
 */
export function findEntryFlaw(entry: FileEntry, chunksInParts = false): EntryFlaw | undefined {
  const pathFlaw = findPathFlaw(entry.path);
  if (pathFlaw === 'too-long' || pathFlaw === 'name-too-long') {
    return limit('its path or a name in it is too long');
  }
  if (pathFlaw !== undefined) return { code: 'bad-path', text: `its path is not allowed (${pathFlaw})` };
  if (isReservedPath(entry.path)) return { code: 'bad-path', text: 'its path is reserved for landropic' };
  return (
    findRegisterFlaw(entry.version) ??
    findContentFlaw(entry.version.content, chunksInParts) ??
    findMetadataFlaw(entry.metadata)
  );
}

function findRegisterFlaw(version: ContentRegister): EntryFlaw | undefined {
  if (version.vector.size === 0) return malformed('its version vector is empty');
  if (version.vector.size > Limits.vectorKeys) {
    return limit(`its version vector has more than ${Limits.vectorKeys} keys`);
  }
  for (const counter of version.vector.values()) {
    if (!Number.isSafeInteger(counter) || counter < 1)
      return malformed('a counter is not a positive integer');
  }
  if (version.replaced.length > MAX_REPLACED_HASHES) return limit('it names too many replaced contents');
  if (!DEVICE_KEY.test(version.author)) return malformed('its author is not a device ID');
  return findStampFlaw(version.stamp);
}

function findContentFlaw(content: Content, chunksInParts: boolean): EntryFlaw | undefined {
  switch (content.type) {
    case 'file': {
      if (!Number.isSafeInteger(content.sizeBytes) || content.sizeBytes < 0)
        return malformed('its size is not');
      if (chunksInParts) return undefined;
      const flaw = findChunkFlaw(content.sizeBytes, content.hash, content.chunks);
      if (flaw === 'too-many-chunks') return limit(`it has more than ${Limits.chunksPerFile} chunks`);
      if (flaw === 'chunk-too-long') return limit('one of its chunks is too long');
      return flaw === undefined ? undefined : malformed(`its chunk list is not sound (${flaw})`);
    }
    case 'symlink':
      if (content.target === '' || content.target.includes('\0') || LONE_SURROGATE.test(content.target)) {
        return malformed('its link target is not sound');
      }
      return encoder.encode(content.target).length > Limits.symlinkTargetBytes
        ? limit('its link target is too long')
        : undefined;
    default:
      return undefined;
  }
}

function findMetadataFlaw(metadata: MetadataRegister): EntryFlaw | undefined {
  if (metadata.mtimeNs > INT64_MAX || metadata.mtimeNs < -INT64_MAX) {
    return malformed('its modification time is out of range');
  }
  const { mode } = metadata;
  if (mode !== undefined && (!Number.isSafeInteger(mode) || mode < 0 || mode > MAX_MODE)) {
    return malformed('its permission bits are out of range');
  }
  return findStampFlaw(metadata.stamp);
}

function findStampFlaw(stamp: Stamp): EntryFlaw | undefined {
  // A found version is stamped by the file's mtime, which may lie before 1970.
  const soundTime = Number.isSafeInteger(stamp.physicalMs) && (stamp.found || stamp.physicalMs >= 0);
  if (soundTime && Number.isSafeInteger(stamp.counter) && stamp.counter >= 0) return undefined;
  return malformed('a stamp is out of range');
}

function limit(text: string): EntryFlaw {
  return { code: 'limit-exceeded', text };
}

function malformed(text: string): EntryFlaw {
  return { code: 'malformed', text };
}
