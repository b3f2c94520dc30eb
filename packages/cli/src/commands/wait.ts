import { type Command, Option } from 'commander';
import { type App, addCommand } from '../app.js';
import { parseDurationMs } from '../duration.js';
import { count, formatDuration } from '../render/quantity.js';
import { printable } from '../render/text.js';

interface WaitOptions {
  readonly folder?: string;
  readonly device?: readonly string[];
  readonly connected?: boolean;
  readonly timeout: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
/** The daemon keeps the deadline; this much later the CLI stops believing that it will answer. */
const GRACE_MS = 5_000;

export function addWaitCommand(program: Command, app: App): void {
  addCommand(program, 'wait', {
    description: 'Return when the other devices durably hold everything that was written here before.',
    examples: [
      'landropic wait',
      'landropic wait --folder photos --timeout 10m && systemctl suspend',
      'landropic wait --connected --timeout 500ms',
    ],
  })
    .option('--folder <folder>', 'only this folder (ID or label)')
    .option('--device <device...>', 'only these devices')
    .option(
      '--connected',
      'every device that is connected now, instead of every device that shares the folder',
    )
    .addOption(
      new Option('--timeout <duration>', 'give up after this long, with exit code 6')
        .argParser(parseDurationMs)
        .default(DEFAULT_TIMEOUT_MS, '60s'),
    )
    .addHelpText('after', '\nExit codes: 0 everything is there, 6 not within the timeout, 1 it cannot be.')
    .action(
      app.action<WaitOptions>(async ({ output, json, call }, options) => {
        const result = await call(
          'wait',
          {
            ...(options.folder === undefined ? {} : { folder: options.folder }),
            devices: options.device ?? [],
            connected: options.connected === true,
            timeoutMs: options.timeout,
          },
          {
            timeoutMs: options.timeout + GRACE_MS,
            onEvent: ({ needFiles, waitingFor }) =>
              output.progress(
                `Waiting for ${printable(waitingFor.join(', '))}: ${count(needFiles, 'file')} to go`,
              ),
          },
        );
        output.clearProgress();
        if (json) return output.printJson(result);
        output.print(
          `${count(result.devices.length, 'device')} ${result.devices.length === 1 ? 'holds' : 'hold'} everything in ` +
            `${count(result.folders.length, 'folder')} (${formatDuration(result.waitedMs)}).`,
        );
      }),
    );
}
