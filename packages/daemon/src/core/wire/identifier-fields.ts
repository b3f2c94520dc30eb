import type { FolderId, IndexId } from '../model/identifiers.js';
import { parseFolderId } from '../model/identifiers.js';
import { findPathFlaw, MAX_PATH_BYTES, type RelativePath } from '../model/relative-path.js';
import { asHex, asText, hexBytes, malformed } from './fields.js';
import { Limits } from './limits.js';
import { WireError } from './wire-error.js';

const SHORT_ID_BYTES = 8;
const CONTROL_CHARACTER = /\p{Cc}/u;

export function readFolder(value: unknown): FolderId {
  const folder = parseFolderId(asText(value, 'folder', 64));
  if (folder === undefined) throw malformed('folder', 'a folder ID');
  return folder;
}

export function readIndexId(value: unknown): IndexId {
  return asHex(value, 'index ID', SHORT_ID_BYTES) as IndexId;
}

export function writeIndexId(id: IndexId): Uint8Array {
  return hexBytes(id, SHORT_ID_BYTES, 'index ID');
}

export function readShortId(value: unknown, name: string): string {
  return asHex(value, name, SHORT_ID_BYTES);
}

export function writeShortId(id: string, name: string): Uint8Array {
  return hexBytes(id, SHORT_ID_BYTES, name);
}

export function readPath(value: unknown): RelativePath {
  const path = asText(value, 'path', MAX_PATH_BYTES);
  const flaw = findPathFlaw(path);
  if (flaw === undefined) return path as RelativePath;
  const beyond = flaw === 'too-long' || flaw === 'name-too-long';
  throw new WireError(beyond ? 'limit-exceeded' : 'bad-path', `a path is refused (${flaw})`);
}

/** A device's name or a folder's label: shown to people, so nothing in it may move a cursor. */
export function readName(value: unknown, name: string): string {
  const text = asText(value, name, Limits.nameCharacters);
  if (CONTROL_CHARACTER.test(text)) throw malformed(name, 'plain text');
  return text;
}

export function readReason(value: unknown): string {
  return asText(value, 'reason', Limits.textCharacters);
}

export function readIdentifier(value: unknown, name: string): string {
  const text = asText(value, name, Limits.identifierCharacters);
  if (text === '') throw malformed(name, 'an identifier');
  return text;
}
