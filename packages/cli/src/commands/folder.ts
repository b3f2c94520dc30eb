import { resolve } from 'node:path';
import type { FolderSummary } from '@landropic/daemon/local-api';
import type { Command } from 'commander';
import { Option } from 'commander';
import { type App, addCommand, addGroup } from '../app.js';
import { shortId } from '../render/devices.js';
import { count } from '../render/quantity.js';
import { renderTable } from '../render/table.js';
import { printable } from '../render/text.js';
import { confirmMerge } from './confirm-merge.js';
import { addFolderDecisions } from './folder-decisions.js';

interface AddOptions {
  readonly id?: string;
  readonly label?: string;
  readonly share?: readonly string[];
  readonly mode?: FolderSummary['mode'];
}

/** A first look at a large folder takes as long as it takes; Ctrl-C is there. */
const RESCAN_TIMEOUT_MS = 24 * 3_600_000;
const MODES = ['two-way', 'send-only', 'receive-only'] as const;
const NAMING = "\nFOLDER is an ID or a label; 'landropic folder list' lists them.";

export function addFolderCommands(program: Command, app: App): void {
  const group = addGroup(program, 'folder', {
    description: 'Share folders, and take folders that other devices share.',
    examples: ['landropic folder add ~/Photos --share desktop', 'landropic folder offers'],
  });
  addAdd(group, app);
  addAccept(group, app);
  addOffers(group, app);
  addList(group, app);
  addRemove(group, app);
  addRescan(group, app);
  addFolderDecisions(group, app);
}

function addAdd(group: Command, app: App): void {
  addCommand(group, 'add <path>', {
    description: 'Share a folder of this device. The other devices are offered it.',
    examples: [
      'landropic folder add ~/Photos --share desktop',
      'landropic folder add ~/Work --id work --label "Our work" --share desk tab',
    ],
  })
    .option('--id <id>', 'the same on every device (default: chosen at random)')
    .option('--label <label>', "what people see (default: the directory's name)")
    .option('--share <device...>', 'devices to offer it to: names, IDs, or the start of one')
    .addOption(new Option('--mode <mode>', 'which way changes go (default: two-way)').choices(MODES))
    .action(
      app.action<AddOptions, [string]>(async ({ output, json, call }, options, path) => {
        const folder = await call('folders.add', {
          path: resolve(path),
          share: options.share ?? [],
          ...(options.id === undefined ? {} : { id: options.id }),
          ...(options.label === undefined ? {} : { label: options.label }),
          ...(options.mode === undefined ? {} : { mode: options.mode }),
        });
        if (json) return output.printJson(folder);
        output.print(`${describe(folder)} is shared.`);
        if (folder.sharedWith.length === 0) {
          output.note(`With nobody yet: 'landropic folder add ${printable(path)} --share DEVICE'.`);
        } else {
          const names = folder.sharedWith.map((peer) => printable(peer.name)).join(', ');
          output.note(`Next, on ${names}: 'landropic folder accept ${folder.id} PATH'.`);
        }
      }),
    );
}

function addAccept(group: Command, app: App): void {
  addCommand(group, 'accept <id> <path>', {
    description: 'Take a folder that a device offers. What stands in PATH already is merged.',
    examples: ['landropic folder accept photos ~/Photos', 'landropic folder accept photos ~/Photos --yes'],
  })
    .option('--yes', 'do not ask before two folders that both hold files are merged')
    .action(
      app.action<{ yes?: boolean }, [string, string]>(async (context, { yes }, id, path) => {
        const { output, json, call } = context;
        const root = resolve(path);
        if (yes !== true) await confirmMerge(context, { id, path: root });
        const folder = await call('folders.accept', { id, path: root, yes: true });
        if (json) output.printJson(folder);
        else output.print(`${describe(folder)} is kept in sync from now on.`);
      }),
    );
}

function addOffers(group: Command, app: App): void {
  addCommand(group, 'offers', {
    description: 'List the folders that other devices offer and this one has not taken.',
    examples: ['landropic folder offers'],
  }).action(
    app.action(async ({ output, json, call }) => {
      const { offers } = await call('folders.offers', {});
      if (json) return output.printJson({ offers });
      if (offers.length === 0) return output.note('No offers.');
      const rows = offers.map((offer) => [offer.id, offer.label, `from ${offer.deviceName}`]);
      output.print(...renderTable(rows, output.columns === undefined ? {} : { columns: output.columns }));
      output.note("Take one with 'landropic folder accept ID PATH'.");
    }),
  );
}

function addList(group: Command, app: App): void {
  addCommand(group, 'list', {
    description: 'List the shared folders of this device.',
    examples: ['landropic folder list', 'landropic folder list --json'],
  }).action(
    app.action(async ({ output, json, call }) => {
      const { folders } = await call('folders.list', {});
      if (json) return output.printJson({ folders });
      if (folders.length === 0) {
        return output.note("No folder is shared yet. Share one: 'landropic folder add PATH --share DEVICE'.");
      }
      const rows = folders.map((folder) => [
        folder.id,
        folder.label,
        folder.mode,
        folder.sharedWith
          .map((peer) => `${peer.name || shortId(peer.device)}${peer.accepted ? '' : ' (offered)'}`)
          .join(', '),
        folder.path,
      ]);
      const heading = ['ID', 'LABEL', 'MODE', 'WITH', 'PATH'];
      output.print(
        ...renderTable([heading, ...rows], output.columns === undefined ? {} : { columns: output.columns }),
      );
    }),
  );
}

function addRemove(group: Command, app: App): void {
  addCommand(group, 'remove <folder>', {
    description: 'Share a folder no more. The files stay where they are, here and on the other devices.',
    examples: ['landropic folder remove photos'],
  })
    .addHelpText('after', NAMING)
    .action(
      app.action<object, [string]>(async ({ output, json, call }, _options, id) => {
        const folder = await call('folders.remove', { id });
        if (json) output.printJson(folder);
        else output.print(`${describe(folder)} is not shared any more; its files stay.`);
      }),
    );
}

function addRescan(group: Command, app: App): void {
  addCommand(group, 'rescan <folder>', {
    description: 'Look at every file of a folder now, and return when that is done.',
    examples: ['landropic folder rescan photos'],
  })
    .addHelpText('after', NAMING)
    .action(
      app.action<object, [string]>(async ({ output, json, call }, _options, id) => {
        const result = await call('folders.rescan', { id }, { timeoutMs: RESCAN_TIMEOUT_MS });
        if (json) output.printJson(result);
        else output.print(`${count(result.changed, 'change')} found.`);
      }),
    );
}

function describe(folder: FolderSummary): string {
  const label = folder.label === folder.id ? folder.id : `${folder.label} (${folder.id})`;
  return `${printable(label)} at ${printable(folder.path)}`;
}
