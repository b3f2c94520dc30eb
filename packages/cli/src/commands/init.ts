import type { Command } from 'commander';
import { type App, addCommand } from '../app.js';
import { loadDaemon } from '../daemon-entry.js';
import { printable } from '../render/text.js';

export function addInitCommand(program: Command, app: App): void {
  addCommand(program, 'init', {
    description: "Create this device's identity and configuration; harmless when they exist.",
    examples: ['landropic init', 'landropic init --name laptop'],
  })
    .option('--name <name>', 'what other devices see this one as (default: the host name)')
    .action(
      app.action<{ name?: string }>(async ({ output, json }, { name }) => {
        const { initialiseHome } = await loadDaemon();
        const made = await initialiseHome(name === undefined ? {} : { name });
        if (json) return output.printJson(made);
        output.print(
          made.created
            ? `This device is ready as ${output.style('bold', printable(made.name))}.`
            : `This device was ready already, as ${output.style('bold', printable(made.name))}.`,
          `ID    ${made.deviceId}`,
          `Home  ${printable(made.home)}`,
        );
        if (made.created) output.note("Next: 'landropic daemon start'.");
      }),
    );
}
