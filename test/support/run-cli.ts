import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const landropicBin = fileURLToPath(new URL('../../packages/cli/bin/landropic.js', import.meta.url));

export interface CliResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly home: string;
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Put before the command line. */
  readonly prefix?: readonly string[];
  /** The process is killed after this long. Default 60,000. */
  readonly timeoutMs?: number;
}

export function spawnCli(args: readonly string[], options: CliOptions): ChildProcess {
  const [command = process.execPath, ...before] = [...(options.prefix ?? []), process.execPath];
  return spawn(command, [...before, landropicBin, ...args], {
    cwd: options.cwd,
    env: { ...process.env, LANDROPIC_HOME: options.home, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Runs one command to its end. Never rejects because of its exit code. */
export function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawnCli(args, options);
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, stdout, stderr });
    });
    // A command that ends without reading its input closes the pipe: not this test's business.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}
