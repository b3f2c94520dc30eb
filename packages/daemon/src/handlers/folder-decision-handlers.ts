import { ApiError } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import type { FolderRunner } from '../sync/folder-runner.js';
import type { DaemonParts } from './daemon-parts.js';
import { sharedFolder } from './named.js';

type DecisionMethods = 'folders.approve' | 'folders.refuse' | 'folders.pause' | 'folders.resume';

/** What a person decides about a folder that is shared, or one that is offered. */
export function folderDecisionHandlers(parts: DaemonParts): Pick<Handlers, DecisionMethods> {
  return {
    'folders.approve': async ({ id }) => {
      const { runner, label, files } = heldFolder(parts, id);
      await runner.approveDeletions();
      return { id: runner.index.folder, label, files };
    },
    'folders.refuse': async ({ id }) => {
      const offer = declineOffers(parts, id);
      if (offer !== undefined) return { kind: 'offer', ...offer, files: 0 };
      const { runner, label, files } = heldFolder(parts, id);
      await runner.refuseDeletions();
      return { kind: 'deletions', id: runner.index.folder, label, files };
    },
    'folders.pause': async ({ id }) => setPaused(parts, id, true),
    'folders.resume': async ({ id }) => setPaused(parts, id, false),
  };
}

function setPaused(parts: DaemonParts, text: string, paused: boolean) {
  const { id, label } = sharedFolder(parts, text).setting;
  parts.folders.setPaused(id, paused);
  return { id, label };
}

/** Declines every offer of a folder that is not shared here; undefined where there is none. */
function declineOffers({ folders, orchestrator }: DaemonParts, text: string) {
  if (folders.list().some(({ setting }) => setting.id === text || setting.label === text)) return undefined;
  const offers = orchestrator.offers().filter(({ folder, label }) => folder === text || label === text);
  const [first] = offers;
  if (first === undefined) return undefined;
  if (offers.some(({ folder }) => folder !== first.folder))
    throw new ApiError('usage', `Several folders are offered as '${text}'. Name one by its ID.`);
  for (const { folder, device } of offers) folders.decline(folder, device);
  return { id: first.folder, label: first.label };
}

function heldFolder(
  parts: DaemonParts,
  text: string,
): { readonly runner: FolderRunner; readonly label: string; readonly files: number } {
  const { setting, assembled } = sharedFolder(parts, text);
  const runner = assembled?.runner;
  const held = runner?.heldDeletions();
  if (runner === undefined || held === undefined)
    throw new ApiError('conflict', `Nothing of folder ${setting.label} is held. See: landropic status`);
  return { runner, label: setting.label, files: held.files };
}
