import type { Setting } from '@landropic/daemon/local-api';
import type { Command } from 'commander';
import { type App, addCommand, addGroup, type CommandContext } from '../app.js';
import { loadDaemon } from '../daemon-entry.js';
import { renderTable } from '../render/table.js';

type SettingsOnDisk = ReturnType<Awaited<ReturnType<typeof loadDaemon>>['openSettings']>;

export function addConfigCommands(program: Command, app: App): void {
  const group = addGroup(program, 'config', {
    description: 'Read and change settings. Works without a running daemon too.',
    examples: ['landropic config list', 'landropic config set name laptop'],
  });
  addGet(group, app);
  addSet(group, app);
  addList(group, app);
}

function addGet(group: Command, app: App): void {
  addCommand(group, 'get <key>', {
    description: 'Print the value of a setting, alone on a line.',
    examples: ['landropic config get name'],
  }).action(
    app.action<object, [string]>(async (context, _options, key) => {
      const setting = await orFromDisk(
        () => context.call('config.get', { key }),
        (settings) => settings.get(key),
      );
      if (context.json) context.output.printJson(setting);
      else context.output.print(setting.value);
    }),
  );
}

function addSet(group: Command, app: App): void {
  addCommand(group, 'set <key> <value>', {
    description: 'Change a setting.',
    examples: ['landropic config set name laptop', 'landropic config set listen 0.0.0.0:22100'],
  }).action(
    app.action<object, [string, string]>(async ({ output, json, call }, _options, key, value) => {
      const setting: Setting & { readonly applied: boolean } = await orFromDisk(
        () => call('config.set', { key, value }),
        // Without a daemon there is nothing that would still run with the old value.
        (settings) => ({ ...settings.set(key, value), applied: true }),
      );
      if (json) return output.printJson(setting);
      output.print(`${setting.key} = ${setting.value}`);
      if (!setting.applied) output.note("In force after 'landropic daemon restart'.");
    }),
  );
}

function addList(group: Command, app: App): void {
  addCommand(group, 'list', {
    description: 'List every setting with its value and what it is for.',
    examples: ['landropic config list', 'landropic config list --json'],
  }).action(
    app.action(async ({ output, json, call }: CommandContext) => {
      const settings = await orFromDisk<readonly Setting[]>(
        async () => (await call('config.list', {})).settings,
        (onDisk) => onDisk.list(),
      );
      if (json) return output.printJson({ settings });
      const rows = settings.map((setting) => [
        setting.key,
        setting.value === setting.default ? setting.value : `${setting.value} (default: ${setting.default})`,
        setting.description,
      ]);
      output.print(
        ...renderTable(
          [['KEY', 'VALUE', 'WHAT'], ...rows],
          output.columns === undefined ? {} : { columns: output.columns },
        ),
      );
    }),
  );
}

/** The daemon owns its settings while it runs; otherwise the file is read and written directly. */
async function orFromDisk<T>(
  fromDaemon: () => Promise<T>,
  fromDisk: (settings: SettingsOnDisk) => T,
): Promise<T> {
  try {
    return await fromDaemon();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'not-running')) throw error;
    return fromDisk((await loadDaemon()).openSettings());
  }
}
