import { randomBytes } from 'node:crypto';
import type { MassDeleteLimits } from '../core/guards/mass-delete.js';
import type { SharedBudget } from '../core/history/shared-budget.js';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import { parentOf } from '../core/model/relative-path.js';
import type { Blake3, Clock } from '../core/ports/clock.js';
import { FolderApplier } from '../folder/applier.js';
import { HistoryWatch } from '../folder/history-watch.js';
import type { DiskThreads } from '../folder/posix-disk/disk-threads.js';
import { type ClosableFolderDisk, createFolderDisk } from '../folder/posix-disk/posix-folder-disk.js';
import { FolderScanner } from '../folder/scanner.js';
import { createFolderWatcher } from '../folder/watcher/folder-watcher.js';
import { openContentIndex } from '../index/open-content-index.js';
import { type FolderEvents, FolderRunner } from '../sync/folder-runner.js';
import { HistoryRetention, type HistoryRetentionDependencies } from '../sync/history-retention.js';

export interface FolderPlace {
  readonly id: FolderId;
  readonly label: string;
  /** Absolute. */
  readonly path: string;
  readonly paused: boolean;
}

export interface FolderAssemblyDependencies {
  readonly device: DeviceKey;
  readonly clock: Clock;
  readonly blake3: Blake3;
  readonly indexFileOf: (id: FolderId) => string;
  readonly rescanIntervalMs: () => number;
  /** What the histories of all folders may take together. */
  readonly historyBudget: SharedBudget;
  readonly historyLimits: HistoryRetentionDependencies['limits'];
  readonly massDelete: () => MassDeleteLimits | undefined;
  /** Serves the disks of all folders. */
  readonly diskThreads: DiskThreads;
}

/** A folder with all its adapters, ready to be started. */
export interface AssembledFolder {
  readonly runner: FolderRunner;
  readonly disk: ClosableFolderDisk;
  /** Set when its index was damaged and begun anew. */
  readonly rebuilt: { readonly reason: string; readonly setAsideAs: string | undefined } | undefined;
  /** Stops the runner, then everything under it. */
  close(): Promise<void>;
}

const UNWATCHED_INTERVAL_MS = 10_000;

/** Builds one folder from its adapters. Throws what opening the index throws. */
export function assembleFolder(
  place: FolderPlace,
  deps: FolderAssemblyDependencies,
  events: FolderEvents,
): AssembledFolder {
  const { clock, blake3 } = deps;
  const index = openContentIndex({ file: deps.indexFileOf(place.id), folder: place.id, randomBytes, clock });
  const disk = createFolderDisk({ rootPath: place.path, sharedThreads: deps.diskThreads });
  const history = new HistoryWatch(
    { disk, clock, randomBytes },
    {
      onRescued: (path, { path: was, area }) => {
        index.transact((tx) => tx.removeHistory({ path: was, area }));
        runner.lookAt(parentOf(path));
      },
      onFailed: (error) => events.failed('keeping an edit to a replaced file', error),
    },
  );
  const runner = new FolderRunner(
    {
      folder: place.id,
      device: deps.device,
      index,
      disk,
      scanner: new FolderScanner({ disk, held: index }),
      watcher: createFolderWatcher({ rootPath: place.path }),
      applier: new FolderApplier({
        disk,
        log: index,
        clock,
        randomBytes,
        onDisplaced: (file) => history.add(file),
      }),
      clock,
      blake3,
      events,
    },
    {
      label: place.label,
      paused: place.paused,
      rescanIntervalMs: deps.rescanIntervalMs(),
      unwatchedIntervalMs: UNWATCHED_INTERVAL_MS,
      massDelete: deps.massDelete,
    },
  );
  const retention = new HistoryRetention({
    ...{ index, disk, history: disk.history, clock },
    budget: deps.historyBudget,
    limits: deps.historyLimits,
    onFailed: (error) => events.failed('clearing history', error),
  });
  retention.start();
  const close = async () => {
    await runner.stop();
    await retention.stop();
    await history.stop();
    await disk.close();
    index.close();
  };
  return { runner, disk, rebuilt: index.rebuilt, close };
}
