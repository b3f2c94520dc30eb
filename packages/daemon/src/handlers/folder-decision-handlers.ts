import { ApiError } from '../local-api/schema.js';
import type { Handlers } from '../local-api/server.js';
import type { FolderRunner } from '../sync/folder-runner.js';
import type { DaemonParts } from './daemon-parts.js';
import { sharedFolder } from './named.js';

type DecisionMethods = 'folders.approve' | 'folders.refuse';

/** What a person decides about a folder at work, or one that is offered. */
export function folderDecisionHandlers(parts: DaemonParts): Pick<Handlers, DecisionMethods> {
  return {
    'folders.approve': async ({ id }) => {
      const { runner, label, files } = heldFolder(parts, id);
      await runner.approveDeletions();
      return { id: runner.index.folder, label, files };
    },
    'folders.refuse': async ({ id }) => {
      const { runner, label, files } = heldFolder(parts, id);
      await runner.refuseDeletions();
      return { kind: 'deletions', id: runner.index.folder, label, files };
    },
  };
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
