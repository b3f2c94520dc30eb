import type { CallOptions, MethodName, Params, Result } from '@landropic/daemon/local-api';
import type { Command } from 'commander';
import { Output, type Streams } from './render/output.js';

export interface AppDependencies extends Streams {
  readonly stdin: NodeJS.ReadStream;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

/** What every command works with. */
export interface CommandContext {
  readonly output: Output;
  /** Whether the result goes to stdout as JSON. */
  readonly json: boolean;
  readonly signal: AbortSignal;
  readonly stdin: NodeJS.ReadStream;
  /** Calls the daemon of this user's home. */
  call<M extends MethodName>(method: M, params: Params<M>, options?: CallOptions<M>): Promise<Result<M>>;
}

interface ActionOptions {
  /** The command ends by itself when it is interrupted, and cleans up first. */
  readonly endsItself?: boolean;
}

/** Ties the commands to the process they run in. */
export class App {
  readonly #dependencies: AppDependencies;

  constructor(dependencies: AppDependencies) {
    this.#dependencies = dependencies;
  }

  /** Turns a command's function into what commander calls: arguments, then options, then the command. */
  action<O extends object, A extends readonly unknown[] = readonly []>(
    run: (context: CommandContext, options: O, ...args: A) => Promise<void>,
    actionOptions: ActionOptions = {},
  ): (...given: unknown[]) => Promise<void> {
    return async (...given) => {
      const command = given.at(-1) as Command;
      const options = command.opts<O & { json?: boolean }>();
      const { signal } = this.#dependencies;
      const context = this.#context(options.json === true);
      const running = run(context, options, ...(given.slice(0, -2) as unknown as A));
      await (actionOptions.endsItself === true ? running : untilAborted(running, signal));
    };
  }

  #context(json: boolean): CommandContext {
    const { signal, stdin } = this.#dependencies;
    return {
      output: new Output(this.#dependencies),
      json,
      signal,
      stdin,
      async call(method, params, options = {}) {
        // Loaded when needed: the schemas cost more time than everything else that '--help' does.
        const [{ callDaemon }, { locateHome }] = await Promise.all([
          import('@landropic/daemon/local-api'),
          import('./home.js'),
        ]);
        return await callDaemon(locateHome().socketPath, method, params, { signal, ...options });
      },
    };
  }
}

async function untilAborted(running: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
  });
  try {
    await Promise.race([running, aborted]);
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}

export interface CommandDescription {
  readonly description: string;
  /** Command lines without the `$`, each shown below the help. */
  readonly examples: readonly [string, ...string[]];
  /** Taken when the parent is called with no subcommand. */
  readonly isDefault?: boolean;
}

/** A command that does something; every one takes `--json` and shows an example. */
export function addCommand(parent: Command, usage: string, description: CommandDescription): Command {
  return parent
    .command(usage, { isDefault: description.isDefault ?? false })
    .description(description.description)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', renderExamples(description.examples));
}

/** A command that only holds others. */
export function addGroup(parent: Command, name: string, description: CommandDescription): Command {
  return parent
    .command(name)
    .description(description.description)
    .addHelpText('after', renderExamples(description.examples));
}

function renderExamples(examples: readonly string[]): string {
  return [
    '',
    examples.length === 1 ? 'Example:' : 'Examples:',
    ...examples.map((line) => `  $ ${line}`),
  ].join('\n');
}
