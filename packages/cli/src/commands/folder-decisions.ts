import type { Command } from 'commander';
import { type App, addCommand } from '../app.js';
import { count } from '../render/quantity.js';
import { printable } from '../render/text.js';

/** Looking through a large folder takes as long as it takes; Ctrl-C is there. */
const DECISION_TIMEOUT_MS = 24 * 3_600_000;

/** What a person decides about a folder: whether it is exchanged, offers, and held deletions. */
export function addFolderDecisions(group: Command, app: App): void {
  addPause(group, app);
  addResume(group, app);
  addApprove(group, app);
  addRefuse(group, app);
}

function addPause(group: Command, app: App): void {
  addCommand(group, 'pause <folder>', {
    description: 'Exchange nothing of a folder for now, also after a restart.',
    examples: ['landropic folder pause photos'],
  }).action(
    app.action<object, [string]>(async ({ output, json, call }, _options, id) => {
      const result = await call('folders.pause', { id });
      if (json) output.printJson(result);
      else
        output.print(
          `${printable(result.label)} is paused. Go on with 'landropic folder resume ${result.id}'.`,
        );
    }),
  );
}

function addResume(group: Command, app: App): void {
  addCommand(group, 'resume <folder>', {
    description: 'Go on with a folder that was paused.',
    examples: ['landropic folder resume photos'],
  }).action(
    app.action<object, [string]>(async ({ output, json, call }, _options, id) => {
      const result = await call('folders.resume', { id });
      if (json) output.printJson(result);
      else output.print(`${printable(result.label)} is exchanged again.`);
    }),
  );
}

function addApprove(group: Command, app: App): void {
  addCommand(group, 'approve <folder>', {
    description: 'Let very many deletions go that were held: those made here, and those made elsewhere.',
    examples: ['landropic folder approve photos'],
  }).action(
    app.action<object, [string]>(async ({ output, json, call }, _options, id) => {
      const result = await call('folders.approve', { id }, { timeoutMs: DECISION_TIMEOUT_MS });
      if (json) output.printJson(result);
      else
        output.print(
          `${printable(result.label)}: ${count(result.files, 'file')} to be deleted, as approved.`,
        );
    }),
  );
}

function addRefuse(group: Command, app: App): void {
  addCommand(group, 'refuse <folder>', {
    description:
      'Take very many deletions back that were held: the files stay, or are got again. Or decline a folder that is offered.',
    examples: ['landropic folder refuse photos'],
  }).action(
    app.action<object, [string]>(async ({ output, json, call }, _options, id) => {
      const result = await call('folders.refuse', { id }, { timeoutMs: DECISION_TIMEOUT_MS });
      if (json) output.printJson(result);
      else if (result.kind === 'offer') output.print(`${printable(result.label)} is not wanted here.`);
      else output.print(`${printable(result.label)}: ${count(result.files, 'file')} kept.`);
    }),
  );
}
