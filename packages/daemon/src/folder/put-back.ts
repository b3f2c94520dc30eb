import { blake3 } from '@napi-rs/blake-hash';
import type { IncarnationId } from '../core/model/identifiers.js';
import { nameOf, type RelativePath } from '../core/model/relative-path.js';
import type { Clock, RandomBytes } from '../core/ports/clock.js';
import type { AreaPath, DiskError, DiskStep, FolderDisk } from '../core/ports/folder-disk.js';
import { conflictName } from '../core/reconcile/conflict-name.js';
import { randomHex } from './area-names.js';

export interface PutBackDependencies {
  readonly disk: FolderDisk;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
}

/**
 * Gives a person's file that was taken into the area back to the folder: to its path, or, where something new was born
 * there, under a conflict name beside it (at last in the folder itself), where the next scan finds it as a new file.
 * Returns where it is, or why it had to stay in the area.
 */
export async function putBack(
  dependencies: PutBackDependencies,
  from: AreaPath,
  path: RelativePath,
): Promise<RelativePath | DiskError> {
  let error: DiskError = { code: 'EEXIST', message: 'no name was free' };
  const places = [
    () => path,
    () => rescueName(dependencies, path),
    () => rescueName(dependencies, path),
    () => rescueName(dependencies, nameOf(path) as RelativePath),
  ];
  for (const place of places) {
    const to = place();
    const failure = await tryPlace(dependencies.disk, from, to);
    if (failure === undefined) return to;
    error = failure;
  }
  return error;
}

/** Where the directory it was in is gone, that comes back with it. */
async function tryPlace(disk: FolderDisk, from: AreaPath, to: RelativePath): Promise<DiskError | undefined> {
  const step: DiskStep = { op: 'rename', from: { area: from }, to: { entry: to } };
  const error = await runStep(disk, step);
  if (error?.code !== 'ENOENT') return error;
  for (let slash = to.indexOf('/'); slash >= 0; slash = to.indexOf('/', slash + 1)) {
    await runStep(disk, { op: 'mkdir', path: to.slice(0, slash) as RelativePath });
  }
  return runStep(disk, step);
}

async function runStep(disk: FolderDisk, step: DiskStep): Promise<DiskError | undefined> {
  const [results] = await disk.run([[step]]);
  const result = results?.[0];
  return result?.ok === false ? result.error : undefined;
}

/** A name beside the path that no other device will make. */
export function rescueName(
  { clock, randomBytes }: Omit<PutBackDependencies, 'disk'>,
  path: RelativePath,
): RelativePath {
  const stamp = {
    found: false,
    physicalMs: clock.nowMs(),
    counter: 0,
    incarnation: randomHex(randomBytes, 8) as IncarnationId,
  };
  return conflictName(path, stamp, 'local', blake3);
}
