import type { ContentRegister, MetadataRegister } from '../model/file-entry.js';
import { compareStamps } from '../model/stamp.js';
import { compareVectors } from '../model/version-vector.js';

/**
 * The total order of the versions of one path: stamp, then content. The larger one is the state of the path, on every
 * device alike; vectors have no say in it.
 */
export function compareVersions(a: ContentRegister, b: ContentRegister): number {
  return compareStamps(a.stamp, b.stamp) || compareText(contentKey(a), contentKey(b));
}

/** By stamp; what follows only decides between registers that no honest device makes. */
export function compareMetadata(a: MetadataRegister, b: MetadataRegister): number {
  if (a.mtimeNs !== b.mtimeNs && compareStamps(a.stamp, b.stamp) === 0) return a.mtimeNs < b.mtimeNs ? -1 : 1;
  return (
    compareStamps(a.stamp, b.stamp) ||
    Number(a.executable) - Number(b.executable) ||
    (a.mode ?? -1) - (b.mode ?? -1)
  );
}

export function largerMetadata(a: MetadataRegister, b: MetadataRegister): MetadataRegister {
  return compareMetadata(a, b) >= 0 ? a : b;
}

/** The same version: made by the same hand at the same moment, or joined alike. */
export function sameVersion(a: ContentRegister, b: ContentRegister): boolean {
  return compareStamps(a.stamp, b.stamp) === 0 && compareVectors(a.vector, b.vector) === 'equal';
}

function contentKey({ content }: ContentRegister): string {
  switch (content.type) {
    case 'file':
      return `file ${content.hash}`;
    case 'symlink':
      return `symlink ${content.target}`;
    default:
      return content.type;
  }
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
