import type { FolderAtWork } from '../assembly/shared-folder-set.js';
import { ApiError } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import { PingError } from '../sync/ping-clock.js';
import { WaitError, type WaitTarget, waitForPeers } from '../sync/wait-for-peers.js';
import type { PairedDevice } from '../trust/paired-devices.js';
import type { DaemonParts } from './daemon-parts.js';
import { pairedDevice, sharedFolder } from './named.js';

const MAX_CONFLICTS = 10_000;
const PING_TIMEOUT_MS = 5_000;

export function syncHandlers(parts: DaemonParts): Pick<Handlers, 'wait' | 'conflicts.list' | 'ping'> {
  const { folders, clock, orchestrator } = parts;
  return {
    wait: async ({ folder, devices: names, connected, timeoutMs }, { signal, emit }) => {
      const startedMs = clock.monotonicMs();
      const chosen = folder === undefined ? folders.list() : [sharedFolder(parts, folder)];
      const wanted = names.map((name) => pairedDevice(parts, name));
      requireSharing(chosen, wanted);
      const targets = chosen.map((each) =>
        targetOf(each, parts, { connected, wanted: wanted.map(({ id }) => id) }),
      );
      try {
        await waitForPeers(targets, clock, {
          timeoutMs,
          signal,
          onProgress: ({ needFiles, waitingFor }) => emit({ needFiles, waitingFor: [...waitingFor] }),
        });
      } catch (error) {
        throw error instanceof WaitError ? new ApiError(error.code, error.message, { cause: error }) : error;
      }
      return {
        folders: targets.map(({ label }) => label),
        devices: [...new Set(targets.flatMap((target) => target.devices.map(({ name }) => name)))],
        waitedMs: Math.round(clock.monotonicMs() - startedMs),
      };
    },
    'conflicts.list': async ({ folder }) => {
      const chosen = folder === undefined ? folders.list() : [sharedFolder(parts, folder)];
      return { conflicts: chosen.flatMap((each) => conflictsOf(each)) };
    },
    ping: async ({ device: text, count }, { signal, emit }) => {
      const { id: device, name } = pairedDevice(parts, text);
      const session = orchestrator.link(device)?.session;
      if (session === undefined)
        throw new ApiError('unreachable', `${name} is not connected. See: landropic devices`);
      const roundTripsMs: number[] = [];
      try {
        for (let i = 0; i < count && !signal.aborted; i++) {
          const roundTripMs = await session.ping(PING_TIMEOUT_MS, signal);
          roundTripsMs.push(roundTripMs);
          emit({ roundTripMs });
        }
      } catch (error) {
        throw error instanceof PingError
          ? new ApiError('unreachable', `${name} did not answer: ${error.message}.`, { cause: error })
          : error;
      }
      return { device, name, roundTripsMs };
    },
  };
}

/** Whoever waits for a device that none of the folders is shared with would be told that all is well. */
function requireSharing(folders: readonly FolderAtWork[], wanted: readonly PairedDevice[]): void {
  for (const { id, name } of wanted) {
    if (folders.some(({ setting }) => setting.sharedWith.includes(id))) continue;
    const what = folders.length === 1 ? `Folder ${folders[0]?.setting.label} is not` : 'No folder is';
    throw new ApiError('not-found', `${what} shared with ${name}. See: landropic folder list`);
  }
}

function targetOf(
  { setting, assembled, problem }: FolderAtWork,
  parts: DaemonParts,
  choice: { readonly connected: boolean; readonly wanted: readonly string[] },
): WaitTarget {
  if (assembled === undefined) {
    throw new ApiError(
      'cannot-come-true',
      `Folder ${setting.label} is not at work: ${problem?.text ?? 'it is being opened'}`,
    );
  }
  const { orchestrator } = parts;
  const shared = parts.devices
    .list()
    .map(({ id, name }) => ({ device: id, name }))
    .filter(({ device }) => setting.sharedWith.includes(device))
    .filter(({ device }) => choice.wanted.length === 0 || choice.wanted.includes(device))
    .filter(({ device }) => !choice.connected || orchestrator.link(device)?.session !== undefined);
  return {
    label: setting.label,
    runner: assembled.runner,
    devices: shared,
    refusal: (device) => {
      const name = parts.devices.get(device)?.name ?? device;
      if (assembled.runner.isPaused) return `Folder ${setting.label} is paused.`;
      if (orchestrator.isPausedThere(setting.id, device))
        return `${name} has paused folder ${setting.label}.`;
      return orchestrator.isWithdrawn(setting.id, device)
        ? `${name} no longer shares folder ${setting.label}.`
        : undefined;
    },
  };
}

function conflictsOf({ setting, assembled }: FolderAtWork) {
  const rows = assembled?.runner.index.conflicts(MAX_CONFLICTS) ?? [];
  return rows.flatMap(({ path, known, conflictOf }) => {
    if (known === undefined || conflictOf === undefined) return [];
    const { content, author } = known.version;
    return {
      folder: setting.id,
      path,
      original: conflictOf,
      device: author,
      sizeBytes: content.type === 'file' ? content.sizeBytes : 0,
      modifiedAt: new Date(Number(known.metadata.mtimeNs / 1_000_000n)).toISOString(),
    };
  });
}
