import type { PoolState } from '@landropic/quic';
import { formatAddress } from '../assembly/own-addresses.js';
import type { FolderAtWork } from '../assembly/shared-folder-set.js';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { DeviceStatus, FolderStatus, StatusReport } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import type { FolderRunner } from '../sync/folder-runner.js';
import type { DaemonParts } from './daemon-parts.js';
import { describeHeld } from './held-deletions.js';

const MAX_PROBLEMS = 100;
/** By then a device that is connected has said which folders it shares. */
const SHARED_BY_MS = 10_000;

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
    datagramIo: endpoint.stats().datagramIo,
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
  const counts = runner.counts();
  const held = runner.heldDeletions();
  const nameOf = (device: DeviceKey) =>
    device === parts.ownDevice ? 'this device' : (parts.devices.get(device)?.name ?? device);
  const own = runner.problems(MAX_PROBLEMS).map(({ path: at, code, text }) => ({
    path: at,
    code,
    text: code === 'mass-delete' && held !== undefined ? describeHeld(held, id, nameOf) : text,
  }));
  return {
    id,
    label,
    path,
    mode,
    state: runner.activity(),
    ...counts,
    problems: [...setting.sharedWith.flatMap((device) => notSharedThere(device, runner, parts)), ...own],
    ...(held === undefined ? {} : { held }),
    peers: setting.sharedWith.map((device) =>
      peerStatus(device, runner, { needsNothing: counts.needFiles === 0 }, parts),
    ),
  };
}

function peerStatus(
  device: DeviceKey,
  runner: FolderRunner,
  { needsNothing }: { readonly needsNothing: boolean },
  { orchestrator }: DaemonParts,
) {
  const durableSequence = runner.receipts.durableSequenceOf(device);
  const needFiles = Math.max(0, runner.sequence() - durableSequence);
  const isExchanging = orchestrator.isExchanging(runner.index.folder, device);
  return { device, needFiles, durableSequence, inSync: isExchanging && needFiles === 0 && needsNothing };
}

/** A device that has shared the folder and does not any more takes nothing, and nothing else would say why. */
function notSharedThere(
  device: DeviceKey,
  runner: FolderRunner,
  { orchestrator, devices }: DaemonParts,
): FolderStatus['problems'] {
  const id = runner.index.folder;
  const name = devices.get(device)?.name ?? device;
  const mend = `Share it there again ('landropic folder accept ${id} PATH'), or remove it here.`;
  const problem = (text: string) => [{ path: '', code: 'not-shared-there', text: `${text} ${mend}` }];
  if (orchestrator.isPausedThere(id, device))
    return [{ path: '', code: 'paused-there', text: `${name} has paused this folder.` }];
  if (orchestrator.isWithdrawn(id, device)) return problem(`${name} no longer shares this folder.`);
  const upForMs = orchestrator.link(device)?.upForMs ?? 0;
  const hadIt = runner.receipts.durableSequenceOf(device) > 0;
  const isMissing = upForMs > SHARED_BY_MS && hadIt && !orchestrator.isExchanging(id, device);
  if (!isMissing || runner.activity() !== 'idle') return [];
  return problem(`${name} is connected and does not share this folder, or still looks through it.`);
}

function poolStatus(pool: PoolState | undefined): DeviceStatus['pool'] {
  if (pool === undefined) return null;
  const { limit, counts } = pool;
  const connections = pool.connections.map(
    ({ role, state, dialledHere, isReplacement, requests, misses, roundTripMs, lossShare, keyUse }) => ({
      role,
      state,
      dialledHere,
      isReplacement,
      requests,
      misses,
      roundTripMs: roundTripMs ?? null,
      lossShare,
      keyUse,
    }),
  );
  return { connections, limit, counts };
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
      presence: orchestrator.presenceOf(device),
      addresses:
        session === undefined
          ? addresses.map(formatAddress)
          : [formatAddress(session.connection.remoteAddress)],
      connections: link?.connections ?? 0,
      pool: poolStatus(link?.pool()),
      rttMs: session?.rttMs ?? null,
      bytesIn: traffic?.in ?? 0,
      bytesOut: traffic?.out ?? 0,
      lastSeen: seenMs === undefined ? null : new Date(seenMs).toISOString(),
      problem: orchestrator.problemOf(device) ?? null,
    };
  });
}
