import { Command, CommanderError } from 'commander';
import { App, type AppDependencies } from './app.js';
import { addConfigCommands } from './commands/config.js';
import { addConflictsCommands } from './commands/conflicts.js';
import { addDaemonCommands } from './commands/daemon.js';
import { addDevicesCommand } from './commands/devices.js';
import { addFolderCommands } from './commands/folder.js';
import { addHistoryCommands } from './commands/history.js';
import { addIdCommand } from './commands/id.js';
import { addInitCommand } from './commands/init.js';
import { addPairCommands } from './commands/pair.js';
import { addPingCommand } from './commands/ping.js';
import { addStatusCommand } from './commands/status.js';
import { addUnpairCommand } from './commands/unpair.js';
import { addWaitCommand } from './commands/wait.js';
import { type Failure, toFailure } from './failure.js';
import { Output } from './render/output.js';
import { version } from './version.js';

/** The command table, in the order of `--help`. */
const COMMANDS: readonly ((program: Command, app: App) => void)[] = [
  addInitCommand,
  addDaemonCommands,
  addIdCommand,
  addPairCommands,
  addDevicesCommand,
  addUnpairCommand,
  addFolderCommands,
  addStatusCommand,
  addWaitCommand,
  addConflictsCommands,
  addHistoryCommands,
  addConfigCommands,
  addPingCommand,
];

/** Why a command was cut short from outside. */
class Interruption extends Error {
  constructor(readonly code: 'interrupted' | 'terminated') {
    super(code);
  }
}

/** The one place where errors become exit codes. */
function exitCodeOf(failure: Failure): number {
  switch (failure.code) {
    case 'usage':
    case 'config-damaged':
    case 'key-damaged':
    case 'key-exposed':
    case 'key-missing':
    case 'not-initialised':
      return 2;
    case 'not-running':
    case 'unreachable':
    case 'connection-lost':
      return 3;
    case 'not-paired':
    case 'not-allowed':
    case 'not-permitted':
      return 4;
    case 'file-system':
    case 'home-not-writable':
    case 'directory-not-private':
    case 'key-unreadable':
    case 'key-unwritable':
      return 5;
    case 'timeout':
      return 6;
    case 'interrupted':
      return 130;
    case 'terminated':
      return 143;
    default:
      return 1;
  }
}

export function buildProgram(dependencies: AppDependencies): Command {
  const app = new App(dependencies);
  const program = new Command('landropic')
    .description('Keeps folders identical on your devices, over your own network.')
    .version(version, '-V, --version')
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError()
    .addHelpText('after', FIRST_STEPS);
  // Subcommands inherit these, so they are set before any is added.
  program.exitOverride().configureOutput({
    writeOut: (text) => dependencies.stdout.write(text),
    writeErr: (text) => dependencies.stderr.write(text),
    // Errors are rendered once, by `main`.
    outputError: () => {},
  });
  for (const add of COMMANDS) add(program, app);
  return program;
}

const FIRST_STEPS = `
First steps, on each device:
  $ landropic init
  $ landropic daemon start
Then pair them: 'landropic pair invite' on one, 'landropic pair accept' on the
other; and share a folder: 'landropic folder add ~/Sync --share NAME'.`;

/** Runs one command line (without `node` and the script); resolves with the exit code. */
export async function main(args: readonly string[], dependencies: AppDependencies): Promise<number> {
  try {
    await buildProgram(dependencies).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    // Help that was asked for ends in an error too, with exit code 0.
    if (error instanceof CommanderError && isHelp(error)) return error.exitCode === 0 ? 0 : 2;
    const failure = toFailure(dependencies.signal.aborted ? dependencies.signal.reason : error);
    report(failure, args.includes('--json'), dependencies);
    return exitCodeOf(failure);
  }
}

function isHelp(error: CommanderError): boolean {
  return ['commander.help', 'commander.helpDisplayed', 'commander.version'].includes(error.code);
}

function report(failure: Failure, json: boolean, dependencies: AppDependencies): void {
  if (failure.code === 'interrupted' || failure.code === 'terminated') return;
  const output = new Output(dependencies);
  const { code, message, hint } = failure;
  if (json) {
    output.note(JSON.stringify({ error: { code, message, ...(hint === undefined ? {} : { hint }) } }));
    return;
  }
  output.note(`${output.styleNote('red', 'landropic:')} ${message}`);
  if (hint !== undefined) output.note(hint);
}

/** Runs the command line of this process, and ends it. */
export async function runProcess(): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const controller = new AbortController();
  const interrupt = (code: 'interrupted' | 'terminated', exitCode: number) => () => {
    // Who asks a second time does not want to wait for a clean end.
    if (controller.signal.aborted) process.exit(exitCode);
    controller.abort(new Interruption(code));
  };
  process.on('SIGINT', interrupt('interrupted', 130));
  process.on('SIGTERM', interrupt('terminated', 143));
  for (const stream of [stdout, stderr]) {
    // The reader went away ('landropic devices | head -1'): there is nobody left to write for.
    stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  }
  const exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, signal: controller.signal });
  stdout.write('', () => process.exit(exitCode));
}
