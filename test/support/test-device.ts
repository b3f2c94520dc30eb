import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type {
  DeviceStatus,
  FolderStatus,
  MethodName,
  Result,
  StatusReport,
} from '../../packages/daemon/src/local-api/schema.js';
import { freePort } from './free-port.js';
import { type CliOptions, type CliResult, runCli, spawnCli } from './run-cli.js';
import { makeDirectory, removeDirectory } from './test-directory.js';

const READY_TIMEOUT_MS = 30_000;
const LOG_LINES_KEPT = 200;

export interface LaunchOptions {
  /** Added to the environment of every command of the device. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Runs the daemon, such as in a network of its own. */
  readonly prefix?: readonly string[];
  /** Only inside a network that the test made itself. Default false. */
  readonly discovery?: boolean;
}

/** One device: a home of its own and a real daemon on the loopback interface. */
export class TestDevice {
  readonly home: string;
  /** Set by {@link start}. */
  id = '';
  #child: ChildProcess | undefined;
  #log: string[] = [];

  private constructor(
    readonly name: string,
    readonly directory: string,
    private ownPort: number,
    private readonly launch: LaunchOptions,
  ) {
    this.home = join(directory, 'home');
  }

  /** Makes the device and starts its daemon. */
  static async start(
    name: string,
    launch: LaunchOptions = {},
    onMade: (device: TestDevice) => void = () => {},
  ): Promise<TestDevice> {
    const device = new TestDevice(name, makeDirectory(), await freePort(), launch);
    onMade(device);
    await device.ok(['init', '--name', name]);
    await device.start();
    return device;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run.`);
    return pid;
  }

  get port(): number {
    return this.ownPort;
  }

  get address(): string {
    return `127.0.0.1:${this.ownPort}`;
  }

  /** What the daemon wrote to stdout, stderr and its log file, the newest lines. */
  get log(): string {
    const file = join(this.home, 'daemon.log');
    const logged = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
    return [...this.#log, ...logged.slice(-LOG_LINES_KEPT)].join('\n');
  }

  /** An empty directory of this device, made now. */
  makeFolder(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path);
    return path;
  }

  /**
   * Runs the daemon in the foreground of a child process, on the port it has always had unless told otherwise, and
   * returns when it says that it is ready.
   */
  async start(port = this.ownPort): Promise<void> {
    this.ownPort = port;
    const { prefix, discovery, environment = {} } = this.launch;
    const args = ['daemon', 'run', '--listen', this.address, '--json'];
    if (discovery !== true) args.push('--no-discovery');
    const child = spawnCli(args, {
      home: this.home,
      env: environment,
      ...(prefix === undefined ? {} : { prefix }),
    });
    this.#child = child;
    const ready = await this.#readUntilReady(child);
    this.id = ready.deviceId;
  }

  /** Stops it as Ctrl-C does; resolves with its exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    this.#child = undefined;
    if (child.exitCode === null && child.signalCode === null) {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
    }
    return child.exitCode;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async kill9(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  /** Overwrites the middle of every index file, as a dying disk does; the number of files. Only while it is stopped. */
  damageIndex(): number {
    const names = readdirSync(this.home, { recursive: true }) as string[];
    const files = names.filter((name) => /\.(db|sqlite)$/.test(name)).map((name) => join(this.home, name));
    for (const file of files) {
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.fill(0x5a, 0, Math.max(4096, bytes.length / 2)));
    }
    return files.length;
  }

  /** Ends it without waiting, for when the test runner itself ends. */
  killNow(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Ends the daemon and removes everything of the device. */
  async remove(): Promise<void> {
    await this.kill9();
    removeDirectory(this.directory);
  }

  cli(args: readonly string[], options: Partial<CliOptions> = {}): Promise<CliResult> {
    return runCli(args, { home: this.home, env: this.launch.environment ?? {}, ...options });
  }

  /** Runs a command that must succeed; resolves with its stdout. */
  async ok(args: readonly string[], options: Partial<CliOptions> = {}): Promise<string> {
    const result = await this.cli(args, options);
    if (result.exitCode !== 0) {
      throw new Error(
        `${this.name}: landropic ${args.join(' ')} ended with ${result.exitCode}: ${result.stderr}${result.stdout}`,
      );
    }
    return result.stdout;
  }

  /** What a command prints with `--json`, which is what the daemon answered. */
  async json<M extends MethodName>(_method: M, args: readonly string[], options?: Partial<CliOptions>) {
    return JSON.parse(await this.ok([...args, '--json'], options)) as Result<M>;
  }

  status(): Promise<StatusReport> {
    return this.json('status', ['status']);
  }

  async folder(id: string): Promise<FolderStatus> {
    const found = (await this.status()).folders.find((folder) => folder.id === id);
    if (found === undefined) throw new Error(`${this.name} has no folder ${id}.`);
    return found;
  }

  async peer(other: TestDevice): Promise<DeviceStatus> {
    const found = (await this.status()).devices.find((device) => device.id === other.id);
    if (found === undefined) throw new Error(`${this.name} is not paired with ${other.name}.`);
    return found;
  }

  #readUntilReady(child: ChildProcess): Promise<{ readonly deviceId: string }> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`${this.name}: the daemon ${why}:\n${this.log}`));
      };
      const timer = setTimeout(() => fail(`was not ready after ${READY_TIMEOUT_MS} ms`), READY_TIMEOUT_MS);
      const keep = (line: string): void => {
        this.#log.push(line);
        if (this.#log.length > LOG_LINES_KEPT) this.#log.shift();
      };
      if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', keep);
      if (child.stdout !== null) {
        createInterface({ input: child.stdout }).on('line', (line) => {
          keep(line);
          const ready = readReadyLine(line);
          if (ready === undefined) return;
          clearTimeout(timer);
          resolve(ready);
        });
      }
      child.once('close', (code, signal) => fail(`ended with ${code ?? signal}`));
    });
  }
}

function readReadyLine(line: string): { readonly deviceId: string } | undefined {
  if (!line.startsWith('{"event":"ready"')) return undefined;
  return JSON.parse(line) as { readonly deviceId: string };
}
