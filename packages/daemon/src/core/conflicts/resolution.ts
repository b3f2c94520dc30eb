import { childPath, MAX_NAME_BYTES, nameOf, parentOf, type RelativePath } from '../model/relative-path.js';

/** Which versions a person wants to keep: the one that was named, the other one, or all. */
export type Keep = 'this' | 'other' | 'both';

/** What is to be done, in this order: a crash between two leaves a conflict, and never less than one version. */
export type ResolutionStep =
  /** The copy's content becomes the file's; then the copy goes. */
  | { readonly kind: 'replace'; readonly copy: RelativePath; readonly original: RelativePath }
  | { readonly kind: 'remove'; readonly copy: RelativePath }
  /** The copy gets a name like any other file's. */
  | { readonly kind: 'rename'; readonly copy: RelativePath; readonly to: RelativePath };

export interface ConflictToResolve {
  /** The path that was named: the original's, or a copy's. */
  readonly named: RelativePath;
  readonly original: RelativePath;
  readonly copies: readonly RelativePath[];
  readonly keep: Keep;
  /** What a copy that is kept is to be called. */
  readonly nameFor: (copy: RelativePath) => RelativePath;
}

/** Undefined where it cannot be told which copy is meant. */
export function planResolution(conflict: ConflictToResolve): readonly ResolutionStep[] | undefined {
  const { named, original, copies, keep, nameFor } = conflict;
  const isCopy = named !== original;
  const meant = isCopy ? [named] : copies;
  if (keep === 'both') return meant.map((copy) => ({ kind: 'rename', copy, to: nameFor(copy) }));
  const wantsCopy = isCopy === (keep === 'this');
  if (!wantsCopy) return meant.map((copy) => ({ kind: 'remove', copy }));
  const [copy, another] = meant;
  if (copy === undefined || another !== undefined) return undefined;
  return [{ kind: 'replace', copy, original }];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `plan (laptop).md` for the laptop's version of `plan.md`, with a number where that is taken. */
export function keptName(
  original: RelativePath,
  deviceName: string,
  isTaken: (path: RelativePath) => boolean,
): RelativePath {
  const name = nameOf(original);
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  // What no system takes in names, and what would end one.
  const who = deviceName.replaceAll(/[\p{Cc}/\\:*?"<>|]/gu, '-').trim();
  for (let number = 1; ; number++) {
    const mark = ` (${who}${number === 1 ? '' : ` ${number}`})${extension}`;
    const room = MAX_NAME_BYTES - encoder.encode(mark).length;
    const path = childPath(parentOf(original), `${cutToBytes(stem, room)}${mark}`.normalize('NFC'));
    if (!isTaken(path)) return path;
  }
}

function cutToBytes(text: string, maxBytes: number): string {
  const bytes = encoder.encode(text);
  if (bytes.length <= maxBytes) return text;
  // A character that was cut through decodes to a replacement character.
  return decoder.decode(bytes.subarray(0, Math.max(0, maxBytes))).replace(/\ufffd+$/, '');
}
