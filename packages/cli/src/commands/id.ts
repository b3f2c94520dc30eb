import type { Command } from 'commander';
import { type App, addCommand } from '../app.js';
import { loadDaemon } from '../daemon-entry.js';

export function addIdCommand(program: Command, app: App): void {
  addCommand(program, 'id', {
    description: "Print this device's ID, alone on a line. Works without a running daemon.",
    examples: ['landropic id'],
  }).action(
    app.action(async ({ output, json }) => {
      const { readDeviceId } = await loadDaemon();
      const id = readDeviceId();
      if (json) output.printJson({ id });
      else output.print(id);
    }),
  );
}
