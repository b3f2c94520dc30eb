import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { FolderAtWork } from '../assembly/shared-folder-set.js';
import { parseName } from '../config/setting-definitions.js';
import type { SharedFolder } from '../config/shared-folders.js';
import { type DeviceKey, type FolderId, parseFolderId } from '../core/model/identifiers.js';
import { ApiError, type FolderSummary } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import type { DaemonParts } from './daemon-parts.js';
import { pairedDevice, sharedFolder } from './named.js';
import { checkRoot, holdsFiles, offersOf } from './offered-folders.js';

type FolderMethods =
  | 'folders.add'
  | 'folders.accept'
  | 'folders.offers'
  | 'folders.list'
  | 'folders.remove'
  | 'folders.rescan';

export function folderHandlers(parts: DaemonParts): Pick<Handlers, FolderMethods> {
  const { folders, orchestrator } = parts;
  return {
    'folders.add': async ({ path, id, label, share, mode }) => {
      if (mode !== undefined && mode !== 'two-way')
        throw new ApiError('usage', `Folders of mode '${mode}' are not supported yet.`);
      const sharedWith = share.map((name) => pairedDevice(parts, name).id);
      const known = id === undefined ? undefined : folders.get(parseId(id));
      if (known !== undefined) return shareFurther(parts, known, path, sharedWith);
      const root = checkRoot(path, parts);
      const setting: SharedFolder = {
        id: id === undefined ? newFolderId() : parseId(id),
        label: checkLabel(label ?? id ?? basename(root)),
        path: root,
        mode: 'two-way',
        paused: false,
        sharedWith,
      };
      return summaryOf(await folders.add(setting), parts);
    },
    'folders.accept': async ({ id, path, yes }) => {
      const offers = offersOf(parts, id);
      const [offer] = offers;
      const sharedWith = offers.map(({ device }) => device);
      const known = folders.get(offer.folder);
      if (known !== undefined) return shareFurther(parts, known, path, sharedWith);
      const root = checkRoot(path, parts);
      if (!yes && holdsFiles(root))
        throw new ApiError('conflict', `${root} holds files already, which would be merged.`, {
          hint: 'Look at what would happen without --yes, and take it with --yes.',
        });
      const setting = {
        id: offer.folder,
        label: checkLabel(offer.label),
        path: root,
        mode: 'two-way',
        paused: false,
        sharedWith,
      } as const;
      return summaryOf(await folders.add(setting), parts);
    },
    'folders.offers': async () => ({
      offers: orchestrator
        .offers()
        .filter(({ folder, device }) => !folders.isDeclined(folder, device))
        .map(({ folder, label, device }) => ({
          id: folder,
          label,
          device,
          deviceName: nameOf(parts, device),
        })),
    }),
    'folders.list': async () => ({ folders: folders.list().map((folder) => summaryOf(folder, parts)) }),
    'folders.remove': async ({ id }) => {
      const folder = sharedFolder(parts, id);
      const summary = summaryOf(folder, parts);
      await folders.remove(folder.setting.id);
      return summary;
    },
    'folders.rescan': async ({ id }, { signal }) => {
      const { setting, assembled, problem } = sharedFolder(parts, id);
      if (assembled === undefined)
        throw new ApiError(
          'file-system',
          `Folder ${setting.label} is not at work: ${problem?.text ?? 'it is being opened'}`,
        );
      const changed = await assembled.runner.rescan(signal);
      const [first] = assembled.runner.activity() === 'error' ? assembled.runner.problems(1) : [];
      if (first !== undefined) throw new ApiError('file-system', first.text);
      return { changed };
    },
  };
}

function shareFurther(
  parts: DaemonParts,
  folder: FolderAtWork,
  path: string,
  devices: readonly DeviceKey[],
): FolderSummary {
  const { setting } = folder;
  if (realPathOf(path) !== setting.path) {
    throw new ApiError('conflict', `Folder '${setting.id}' is shared here already, as ${setting.path}.`);
  }
  parts.folders.share(setting.id, [...new Set([...setting.sharedWith, ...devices])]);
  return summaryOf(parts.folders.get(setting.id) ?? folder, parts);
}

/** As settings keep it, where it can be told. */
function realPathOf(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return resolve(path);
  }
}

function parseId(text: string): FolderId {
  const id = parseFolderId(text);
  if (id === undefined)
    throw new ApiError('usage', `'${text}' is no folder ID: 1 to 64 of A–Z a–z 0–9 . _ -`);
  return id;
}

function checkLabel(text: string): string {
  const label = parseName(text);
  if (label === undefined)
    throw new ApiError(
      'usage',
      `'${text}' is no label: 1 to 64 characters on one line. Choose one with --label.`,
    );
  return label;
}

function newFolderId(): FolderId {
  return randomBytes(6).toString('hex') as FolderId;
}

function nameOf(parts: DaemonParts, device: DeviceKey): string {
  return parts.devices.get(device)?.name ?? device;
}

function summaryOf({ setting }: FolderAtWork, parts: DaemonParts): FolderSummary {
  const { id, label, path, mode, sharedWith } = setting;
  return {
    id,
    label,
    path,
    mode,
    sharedWith: sharedWith.map((device) => ({
      device,
      name: nameOf(parts, device),
      accepted: parts.orchestrator.isExchanging(id, device),
    })),
  };
}
