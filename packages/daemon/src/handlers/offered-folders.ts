import { readdirSync } from 'node:fs';
import { checkFolderPath } from '../config/folder-path.js';
import { ApiError } from '../local-api/schema.js';
import type { FolderOffer } from '../sync/orchestrator.js';
import type { DaemonParts } from './daemon-parts.js';

const AREA = '.landropic';

/** All devices' offers of the one folder of that ID or label. Throws `not-found`, `conflict` and `usage`. */
export function offersOf(
  { folders, orchestrator }: Pick<DaemonParts, 'folders' | 'orchestrator'>,
  id: string,
): readonly [FolderOffer, ...FolderOffer[]] {
  const [offer, ...others] = orchestrator
    .offers()
    .filter(({ folder, label }) => folder === id || label === id);
  if (offer === undefined) {
    if (folders.list().some(({ setting }) => setting.id === id))
      throw new ApiError('conflict', `Folder '${id}' is shared here already. See: landropic folder list`);
    throw new ApiError('not-found', `No device offers a folder '${id}' now. See: landropic folder offers`);
  }
  if (others.some((other) => other.folder !== offer.folder))
    throw new ApiError('usage', `Several folders are offered as '${id}'. Name one by its ID.`);
  return [offer, ...others];
}

/** The folder's real path. Throws ConfigError `file-system` when it cannot be shared. */
export function checkRoot(path: string, parts: DaemonParts): string {
  const sharedPaths = parts.folders.list().map(({ setting }) => setting.path);
  return checkFolderPath(path, { sharedPaths, homeDirectory: parts.home.directory });
}

/** True when a folder that is to be taken holds anything that would be merged. */
export function holdsFiles(root: string): boolean {
  return readdirSync(root).some((name) => name !== AREA);
}
