import { setTimeout as delay } from 'node:timers/promises';
import type { StatusReport } from '@landropic/daemon/local-api';
import type { Command } from 'commander';
import { type App, addCommand, type CommandContext } from '../app.js';
import { statusLines } from '../render/status.js';

const WATCH_INTERVAL_MS = 1_000;

export function addStatusCommand(program: Command, app: App): void {
  addCommand(program, 'status', {
    description: 'Show folders, devices, transfers with progress, and problems.',
    examples: [
      'landropic status',
      'landropic status --watch',
      "landropic status --json | jq '.folders[].state'",
    ],
  })
    .option('--watch', 'go on showing it until Ctrl-C')
    .action(
      app.action<{ watch?: boolean }>(async (context, { watch }) => {
        const status = await context.call('status', {});
        if (watch === true) return await watchStatus(context, status);
        show(context, status);
      }),
    );
}

function show({ output, json }: CommandContext, status: StatusReport): void {
  if (json) output.printJson(status);
  else output.print(...statusLines(status, output));
}

/** Redraws on a terminal; elsewhere prints it again whenever something but the clock has changed. */
async function watchStatus(context: CommandContext, first: StatusReport): Promise<void> {
  const { output, json, call, signal } = context;
  let shown = '';
  for (let status = first; ; status = await call('status', {})) {
    const fingerprint = JSON.stringify({ ...status, uptimeSeconds: 0 });
    if (!json && output.isTerminal) {
      output.redraw([...statusLines(status, output), '', output.style('dim', 'Ctrl-C ends this.')]);
    } else if (fingerprint !== shown) {
      show(context, status);
    }
    shown = fingerprint;
    await delay(WATCH_INTERVAL_MS, undefined, { signal });
  }
}
