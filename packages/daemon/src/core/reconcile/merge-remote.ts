import {
  type ContentRegister,
  type FileEntry,
  MAX_REPLACED_HASHES,
  sameContent,
} from '../model/file-entry.js';
import type { ContentHash, DeviceKey } from '../model/identifiers.js';
import type { Problem } from '../model/problem.js';
import { compareStamps, type Stamp } from '../model/stamp.js';
import { compareVectors, joinVectors } from '../model/version-vector.js';
import type { IndexRow } from '../ports/content-index.js';
import { Limits } from '../wire/limits.js';
import { compareVersions, largerMetadata } from './version-order.js';

export type Merge =
  | {
      /**
       * same: this version is known already. older: the known one had seen it. adopted: it is the new known version.
       * joined: the same content, made apart. lost: the known one stands, without having seen it by its vector.
       */
      readonly verdict: 'same' | 'older' | 'adopted' | 'joined' | 'lost';
      /** What is known from now on; metadata merges whatever the verdict. */
      readonly entry: FileEntry;
    }
  /** Not taken in at all; to be tried again later. */
  | { readonly verdict: 'implausible'; readonly problem: Problem };

/**
 * What is known of a path once `remote` was heard too. The winner is the largest by `compareVersions`, whatever came
 * first and however often; vectors of equal contents join, those of different ones never do.
 */
export function mergeRemote(
  row: Pick<IndexRow, 'known'> | undefined,
  remote: FileEntry,
  context: { readonly nowMs: number; readonly from?: DeviceKey },
): Merge {
  const { from } = context;
  if (isAhead(remote.version.stamp, context.nowMs) || isAhead(remote.metadata.stamp, context.nowMs)) {
    return implausible(remote, from, 'is stamped more than 24 hours ahead of the clock of this device');
  }
  if (remote.version.vector.size > Limits.vectorKeys) return implausible(remote, from, TOO_MANY_KEYS);
  const known = row?.known;
  if (known === undefined) return { verdict: 'adopted', entry: remote };
  const merged = mergeVersions(known.version, remote.version);
  if (merged === 'smaller-stamp') {
    return implausible(remote, from, 'has seen the version here and yet claims to be the older one');
  }
  if (merged.version.vector.size > Limits.vectorKeys) return implausible(remote, from, TOO_MANY_KEYS);
  const metadata = largerMetadata(known.metadata, remote.metadata);
  const unchanged = merged.version === known.version && metadata === known.metadata;
  const entry = unchanged ? known : { path: known.path, version: merged.version, metadata };
  return { verdict: merged.verdict, entry };
}

type MergedVersion = {
  readonly verdict: 'same' | 'older' | 'adopted' | 'joined' | 'lost';
  readonly version: ContentRegister;
};

function mergeVersions(known: ContentRegister, remote: ContentRegister): MergedVersion | 'smaller-stamp' {
  const ordering = compareVectors(remote.vector, known.vector);
  const stampOrder = compareStamps(remote.stamp, known.stamp);
  if (ordering === 'after' && stampOrder < 0) return 'smaller-stamp';
  if (sameContent(remote.content, known.content)) {
    if (ordering === 'before' && stampOrder < 0) return { verdict: 'older', version: known };
    if (ordering === 'after' && stampOrder > 0) return { verdict: 'adopted', version: remote };
    return joinSame(known, remote);
  }
  if (compareVersions(remote, known) > 0) return { verdict: 'adopted', version: remote };
  return { verdict: ordering === 'before' ? 'older' : 'lost', version: known };
}

/** One content, in versions that stand side by side or are the same one joined further. */
function joinSame(known: ContentRegister, remote: ContentRegister): MergedVersion {
  const larger = compareStamps(remote.stamp, known.stamp) > 0 ? remote : known;
  const version: ContentRegister = {
    content: larger.content,
    vector: joinVectors(known.vector, remote.vector),
    stamp: larger.stamp,
    replaced: joinReplaced(known.replaced, remote.replaced),
    author: larger.author,
  };
  if (addsNothing(version, known)) return { verdict: 'same', version: known };
  if (addsNothing(version, remote)) return { verdict: 'adopted', version: remote };
  return { verdict: 'joined', version };
}

function addsNothing(joined: ContentRegister, to: ContentRegister): boolean {
  return (
    compareStamps(joined.stamp, to.stamp) === 0 &&
    compareVectors(joined.vector, to.vector) === 'equal' &&
    sameList(joined.replaced, to.replaced)
  );
}

/**
 * Lists that differ become their union in the order of hashes, cut to the limit. "Newest first" would not do: of two
 * lists none is the newer one, and every device must arrive at the same list in whatever order it hears them.
 */
function joinReplaced(a: readonly ContentHash[], b: readonly ContentHash[]): readonly ContentHash[] {
  return sameList(a, b) ? a : [...new Set([...a, ...b])].sort().slice(0, MAX_REPLACED_HASHES);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

function isAhead(stamp: Stamp, nowMs: number): boolean {
  // A found version is stamped by its mtime, which may say anything; nothing authored is measured by it.
  return !stamp.found && stamp.physicalMs > nowMs + Limits.stampAheadMs;
}

const TOO_MANY_KEYS = `has a history of more than ${Limits.vectorKeys} indexes`;

function implausible(remote: FileEntry, from: DeviceKey | undefined, what: string): Merge {
  const passedOn = from === undefined || from === remote.version.author ? '' : `, passed on by ${from},`;
  const text = `A version made by device ${remote.version.author}${passedOn} ${what}. It is not taken in; check the clocks of both devices.`;
  return { verdict: 'implausible', problem: { path: remote.path, code: 'implausible-version', text } };
}
