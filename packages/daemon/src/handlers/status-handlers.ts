import { formatAddress } from '../assembly/own-addresses.js';
import type { FolderAtWork } from '../assembly/shared-folder-set.js';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { DeviceStatus, FolderStatus, StatusReport } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import type { DaemonParts } from './daemon-parts.js';

const MAX_PROBLEMS = 100;

export function statusHandlers(
  parts: DaemonParts,
): Pick<Handlers, 'status' | 'daemon.stop' | 'devices.list'> {
  return {
    status: async () => statusReport(parts),
    'daemon.stop': async () => {
      // The answer goes out first: the stop closes the socket it travels on.
      parts.clock.after(20, parts.requestStop);
      return {};
    },
    'devices.list': async () => ({ devices: deviceStatuses(parts) }),
  };
}

function statusReport(parts: DaemonParts): StatusReport {
  const { identity, settings, version, startedAtMs, clock, endpoint, folders } = parts;
  return {
    device: { id: identity.deviceId, name: settings.value('name') },
    version,
    uptimeSeconds: Math.round((clock.nowMs() - startedAtMs) / 1000),
    pid: process.pid,
    listen: formatAddress(endpoint.localAddress),
    folders: folders.list().map((folder) => folderStatus(folder, parts)),
    devices: deviceStatuses(parts),
    transfers: folders.list().flatMap(({ setting, assembled }) =>
      (assembled?.runner.progress() ?? [])
        .filter(({ bytes }) => bytes > 0)
        .slice(0, MAX_PROBLEMS)
        .map(({ path, bytes, bytesDone, from }) => ({
          folder: setting.id,
          path,
          bytes,
          bytesDone,
          from: from ?? '',
        })),
    ),
    notices: [...folders.notices(), ...parts.notices()],
  };
}

function folderStatus(folder: FolderAtWork, parts: DaemonParts): FolderStatus {
  const { setting, assembled, problem } = folder;
  const { id, label, path, mode } = setting;
  if (assembled === undefined) {
    const problems = problem === undefined ? [] : [problem];
    const none = { files: 0, directories: 0, bytes: 0, needFiles: 0, needBytes: 0, conflicts: 0 };
    return { id, label, path, mode, state: 'error', ...none, problems, peers: [] };
  }
  const { runner } = assembled;
  return {
    id,
    label,
    path,
    mode,
    state: runner.activity(),
    ...runner.counts(),
    problems: runner.problems(MAX_PROBLEMS).map(({ path: at, code, text }) => ({ path: at, code, text })),
    peers: setting.sharedWith.map((device) => peerStatus(device, runner, parts)),
  };
}

function peerStatus(
  device: DeviceKey,
  runner: NonNullable<FolderAtWork['assembled']>['runner'],
  parts: DaemonParts,
) {
  const durableSequence = runner.receipts.durableSequenceOf(device);
  const behind = Math.max(0, runner.sequence() - durableSequence);
  const exchanging = parts.orchestrator.isExchanging(runner.index.folder, device);
  return {
    device,
    needFiles: behind,
    durableSequence,
    inSync: exchanging && behind === 0 && runner.counts().needFiles === 0,
  };
}

function deviceStatuses(parts: DaemonParts): DeviceStatus[] {
  const { devices, orchestrator } = parts;
  return devices.list().map(({ id: device, name, addresses, lastSeenMs }) => {
    const link = orchestrator.link(device);
    const session = link?.session;
    const traffic = link?.traffic();
    const seenMs = orchestrator.lastSeenMs(device) ?? lastSeenMs;
    return {
      id: device,
      name,
      connected: session !== undefined,
      addresses:
        session === undefined
          ? addresses.map(formatAddress)
          : [formatAddress(session.connection.remoteAddress)],
      connections: link?.connections ?? 0,
      rttMs: session?.rttMs ?? null,
      bytesIn: traffic?.in ?? 0,
      bytesOut: traffic?.out ?? 0,
      lastSeen: seenMs === undefined ? null : new Date(seenMs).toISOString(),
      problem: orchestrator.problemOf(device) ?? null,
    };
  });
}
