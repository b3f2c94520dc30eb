import { versionAt } from '../core/history/retention.js';
import type { HistoryItem } from '../core/ports/content-index.js';
import { ApiError, type HistoryVersion } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import { restoreVersion } from '../sync/restore-version.js';
import type { DaemonParts } from './daemon-parts.js';
import { entryInFolder, placeInFolder, requireAtWork } from './folder-paths.js';
import { deviceName, sharedFolder } from './named.js';

/** Versions of one path that `restore` chooses from. */
const MAX_VERSIONS = 100_000;

export function historyHandlers(parts: DaemonParts): Pick<Handlers, 'history.list' | 'history.restore'> {
  return {
    'history.list': async ({ folder, path, limit }) => {
      const places =
        path !== undefined
          ? [placeInFolder(parts, path, folder)]
          : (folder === undefined ? parts.folders.list() : [sharedFolder(parts, folder)])
              .filter(({ assembled }) => folder !== undefined || assembled !== undefined)
              .map((each) => ({ folder: each, assembled: requireAtWork(each), path: '' as const }));
      const items = places.flatMap((place) =>
        place.assembled.runner.index
          .historyBelow(place.path, limit + 1)
          .map((item) => ({ item, id: place.folder.setting.id })),
      );
      items.sort((a, b) => b.item.displacedAtMs - a.item.displacedAtMs);
      return {
        versions: items.slice(0, limit).map(({ item, id }) => describeVersion(parts, id, item)),
        hasMore: items.length > limit,
      };
    },
    'history.restore': async ({ folder: name, path: given, at }, { signal }) => {
      const { folder, assembled, path } = entryInFolder(parts, given, name);
      const { runner, disk } = assembled;
      const items = runner.index.historyOf(path, MAX_VERSIONS);
      const item = versionAt(items, at === undefined ? undefined : Date.parse(at));
      if (item === undefined) throw nothingToRestore(path, items.length, runner.index.historyBelow(path, 1));
      const outcome = await restoreVersion(
        item,
        { index: runner.index, disk, history: disk.history, edits: runner.edits },
        signal,
      );
      if (outcome.outcome === 'failed')
        throw new ApiError('file-system', `${path} cannot be restored: ${outcome.problem.text}`);
      if (outcome.outcome === 'source-gone')
        throw new ApiError('not-found', `That version of ${path} is not in history any more.`);
      const version = describeVersion(parts, folder.setting.id, item);
      return {
        version,
        changed: outcome.outcome === 'done',
        keptInHistory: outcome.outcome === 'done' && outcome.displaced !== undefined,
      };
    },
  };
}

function nothingToRestore(path: string, versions: number, below: readonly HistoryItem[]): ApiError {
  if (versions > 0)
    return new ApiError('not-found', `Nothing of ${path} was replaced or deleted since then.`, {
      hint: 'What stood there at that time stands there now.',
    });
  const what =
    below.length > 0 ? `${path} is a directory. Name a file in it.` : `Nothing of ${path} is in history.`;
  return new ApiError('not-found', what, { hint: "See: 'landropic history'" });
}

function describeVersion(parts: DaemonParts, folder: string, item: HistoryItem): HistoryVersion {
  const { path, displacedAtMs, sizeBytes, reason, author } = item;
  return {
    folder,
    path,
    displacedAt: new Date(displacedAtMs).toISOString(),
    sizeBytes,
    reason,
    device: author ?? null,
    deviceName: author === undefined ? null : deviceName(parts, author),
  };
}
