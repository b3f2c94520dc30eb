/**
 * Identifiers as branded strings: cheap to compare and to use as map keys, impossible to mix up.
 * All are parsed once, at the edge where they come in.
 */

/** BLAKE3 of a chunk or of a whole file, 64 lower-case hex digits. */
export type ContentHash = string & { readonly __brand: 'ContentHash' };

/** Names one run of counters of one folder on one device, 16 lower-case hex digits, random. Key of version vectors. */
export type IncarnationId = string & { readonly __brand: 'IncarnationId' };

/** Names one sequence of index commits of one folder on one device, 16 lower-case hex digits, random. */
export type IndexId = string & { readonly __brand: 'IndexId' };

/** Names a shared folder on all its devices: 1–64 characters of `A–Z a–z 0–9 . _ -`. */
export type FolderId = string & { readonly __brand: 'FolderId' };

/** A device's canonical ID text, as `@landropic/crypto` makes it; opaque in here. */
export type DeviceKey = string & { readonly __brand: 'DeviceId' };

const HASH = /^[0-9a-f]{64}$/;
const SHORT_ID = /^[0-9a-f]{16}$/;
const FOLDER_ID = /^[A-Za-z0-9._-]{1,64}$/;

export function parseContentHash(text: string): ContentHash | undefined {
  return HASH.test(text) ? (text as ContentHash) : undefined;
}

export function parseIncarnationId(text: string): IncarnationId | undefined {
  return SHORT_ID.test(text) ? (text as IncarnationId) : undefined;
}

export function parseIndexId(text: string): IndexId | undefined {
  return SHORT_ID.test(text) ? (text as IndexId) : undefined;
}

export function parseFolderId(text: string): FolderId | undefined {
  return FOLDER_ID.test(text) && text !== '.' && text !== '..' ? (text as FolderId) : undefined;
}
