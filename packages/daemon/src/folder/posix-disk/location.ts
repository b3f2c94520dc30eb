import { nameOf, parentOf, type RelativePath } from '../../core/model/relative-path.js';
import type { AreaPath, StepPath } from '../../core/ports/folder-disk.js';
import { AREA_NAME, type DirectoryAccess } from './directory-access.js';
import { DiskFailure } from './disk-failure.js';

/** A name in a directory, the latter relative to the folder. */
export interface Location {
  readonly directory: string;
  readonly name: string;
}

const AREA_PREFIX = `${AREA_NAME}/`;

export function locateEntry(path: RelativePath): Location {
  const slash = path.indexOf('/');
  refuseArea(slash < 0 ? path : path.slice(0, slash));
  return checked(parentOf(path), nameOf(path));
}

/** The own area itself is `''`. */
export function locateArea(area: AreaPath): Location {
  if (area === '') return { directory: '', name: AREA_NAME };
  const path = `${AREA_PREFIX}${area}`;
  const slash = path.lastIndexOf('/');
  return checked(path.slice(0, slash), path.slice(slash + 1));
}

export function locateStep(at: StepPath): Location {
  return 'entry' in at ? locateEntry(at.entry) : locateArea(at.area);
}

/** A directory of entries, as {@link DirectoryAccess.prefixOf} takes it. */
export function directoryOfEntries(path: string): string {
  const slash = path.indexOf('/');
  refuseArea(slash < 0 ? path : path.slice(0, slash));
  return path;
}

/** Relative to the folder, for {@link DirectoryAccess.forget} and for messages. */
export function pathOf(location: Location): string {
  return location.directory === '' ? location.name : `${location.directory}/${location.name}`;
}

/** What to hand to the system. Good until the access opens another directory. */
export function reach(access: DirectoryAccess, location: Location): string {
  return access.prefixOf(location.directory) + location.name;
}

/** Some disks fold case: no spelling of the own area's name is an entry's. */
function refuseArea(first: string): void {
  if (first.length === AREA_NAME.length && first.toLowerCase() === AREA_NAME) {
    throw new DiskFailure('own-area', "an entry's path leads into the folder's own area");
  }
}

function checked(directory: string, name: string): Location {
  if (name === '' || name === '.' || name === '..') throw new DiskFailure('EINVAL', 'not a plain path');
  return { directory, name };
}
