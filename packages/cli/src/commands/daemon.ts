import type { StatusReport } from '@landropic/daemon/local-api';
import type { Command } from 'commander';
import { type App, addCommand, addGroup, type CommandContext } from '../app.js';
import { announceFailure, announceReady, isBackground, startInBackground } from '../background-daemon.js';
import { loadDaemon } from '../daemon-entry.js';
import { Failure } from '../failure.js';
import { formatDuration, formatUptime } from '../render/quantity.js';
import { printable } from '../render/text.js';
import { waitUntilProcessEnds } from '../wait-until-process-ends.js';

interface ListenOptions {
  readonly listen?: string;
  /** `--no-discovery` makes it false. */
  readonly discovery: boolean;
}

/** What a clean stop may take: running writes are finished, peers are told. */
const STOP_TIMEOUT_MS = 30_000;

export function addDaemonCommands(program: Command, app: App): void {
  const group = addGroup(program, 'daemon', {
    description: 'Run, start and stop the background process that syncs.',
    examples: ['landropic daemon start', 'landropic daemon status'],
  });
  addRun(group, app);
  addStart(group, app);
  addStop(group, app);
  addRestart(group, app);
  addStatus(group, app);
}

function addListenOptions(command: Command): Command {
  return command
    .option('--listen <host:port>', 'UDP address to listen on (default: the setting listen)')
    .option('--no-discovery', 'neither announce this device on the network nor look for others');
}

function addRun(group: Command, app: App): void {
  const command = addCommand(group, 'run', {
    description: 'Run in the foreground; Ctrl-C or SIGTERM stops it cleanly.',
    examples: ['landropic daemon run', 'landropic daemon run --listen 192.168.1.10:22100 --no-discovery'],
  });
  addListenOptions(command).action(app.action<ListenOptions>(run, { endsItself: true }));
}

async function run({ output, json, signal }: CommandContext, options: ListenOptions): Promise<void> {
  try {
    const { runDaemon } = await loadDaemon();
    await runDaemon({
      discovery: options.discovery,
      foreground: !isBackground(),
      signal,
      ...(options.listen === undefined ? {} : { listen: options.listen }),
      onReady(info) {
        // In the background stdout is the log, which says so itself.
        if (json) output.printJson({ event: 'ready', ...info });
        else if (!isBackground())
          output.print(`Ready: ${info.deviceId} listens on ${info.listen} (process ${info.pid}).`);
        void announceReady(info);
      },
    });
  } catch (error) {
    await announceFailure(error);
    throw error;
  }
}

function addStart(group: Command, app: App): void {
  const command = addCommand(group, 'start', {
    description: 'Start it in the background, and return when it is ready.',
    examples: ['landropic daemon start', 'landropic daemon start --listen 0.0.0.0:22100'],
  });
  addListenOptions(command).action(app.action<ListenOptions>(start));
}

async function start({ output, json, signal }: CommandContext, options: ListenOptions): Promise<void> {
  const { locateHome } = await import('../home.js');
  const { logFile } = locateHome();
  const ready = await startInBackground({ ...options, logFile, signal });
  if (json) output.printJson(ready);
  else
    output.print(
      `The daemon is running: process ${ready.pid}, listening on ${ready.listen}, log in ${printable(logFile)}.`,
    );
}

function addStop(group: Command, app: App): void {
  addCommand(group, 'stop', {
    description: 'Stop it cleanly, and return when it is gone.',
    examples: ['landropic daemon stop'],
  }).action(
    app.action(async (context) => {
      const pid = await stop(context);
      if (context.json) context.output.printJson({ stopped: true, pid });
      else context.output.print('The daemon has stopped.');
    }),
  );
}

/** Resolves with the process ID of the daemon that is gone now. */
async function stop({ call, signal }: CommandContext): Promise<number> {
  const { pid } = await call('status', {});
  await call('daemon.stop', {});
  if (await waitUntilProcessEnds(pid, STOP_TIMEOUT_MS, signal)) return pid;
  throw new Failure(
    'timeout',
    `The daemon (process ${pid}) was asked to stop and still runs after ${formatDuration(STOP_TIMEOUT_MS)}.`,
    'Its log says what it is busy with.',
  );
}

function addRestart(group: Command, app: App): void {
  const command = addCommand(group, 'restart', {
    description: 'Stop it where it runs, and start it.',
    examples: ['landropic daemon restart'],
  });
  addListenOptions(command).action(
    app.action<ListenOptions>(async (context, options) => {
      try {
        await stop(context);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'not-running')) throw error;
      }
      await start(context, options);
    }),
  );
}

function addStatus(group: Command, app: App): void {
  addCommand(group, 'status', {
    description: 'Say whether it runs; exit code 3 when it does not.',
    examples: ['landropic daemon status', 'landropic daemon status --json'],
  }).action(
    app.action(async ({ output, json, call }) => {
      const { pid, listen, uptimeSeconds, version }: StatusReport = await call('status', {});
      if (json) return output.printJson({ running: true, pid, listen, uptimeSeconds, version });
      output.print(
        `Running: process ${pid}, landropic ${version}, up ${formatUptime(uptimeSeconds)}, ` +
          `listening on ${listen}.`,
      );
    }),
  );
}
