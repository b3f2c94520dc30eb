import type { Command } from 'commander';
import { type App, addCommand } from '../app.js';
import { printable } from '../render/text.js';

export function addUnpairCommand(program: Command, app: App): void {
  addCommand(program, 'unpair <device>', {
    description: 'Forget a device: its connections close at once, and it is let in no more. Files stay.',
    examples: ['landropic unpair phone', 'landropic unpair ABCDEFG'],
  })
    .addHelpText('after', "\nDEVICE is a name, an ID, or the start of one; 'landropic devices' lists them.")
    .action(
      app.action<object, [string]>(async ({ output, json, call }, _options, device) => {
        const removed = await call('devices.remove', { device });
        if (json) output.printJson(removed);
        else output.print(`${printable(removed.name)} is not paired any more.`);
      }),
    );
}
