import { createHash } from 'node:crypto';
import { accessSync, chmodSync, constants, mkdirSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from './config-error.js';

/** Where everything of one device lies. All paths are absolute. */
export interface Home {
  readonly directory: string;
  readonly keyFile: string;
  /** Settings, for people to edit too. */
  readonly configFile: string;
  readonly devicesFile: string;
  readonly foldersFile: string;
  readonly logFile: string;
  /** Held while a daemon runs on this home. */
  readonly lockFile: string;
  /** Says which process holds the lock. */
  readonly pidFile: string;
  /** Of the local API: a Unix socket, or a named pipe on Windows. */
  readonly socketPath: string;
  readonly indexDirectory: string;
}

export interface LocateHomeOptions {
  /** Instead of `LANDROPIC_HOME` and of the platform's data directory. */
  readonly directory?: string | undefined;
  readonly environment?: NodeJS.ProcessEnv;
  readonly platform?: NodeJS.Platform;
}

/** `sun_path` less its final NUL. */
const SOCKET_PATH_BYTES = { darwin: 103, other: 107 } as const;
const OWNER_ONLY = 0o700;
const GROUP_AND_OTHERS = 0o077;

/** Says where things are; makes nothing. */
export function locateHome(options: LocateHomeOptions = {}): Home {
  const { environment = process.env, platform = process.platform } = options;
  const chosen = options.directory || environment.LANDROPIC_HOME || dataDirectory(environment, platform);
  const directory = resolve(chosen);
  return {
    directory,
    keyFile: join(directory, 'key.pem'),
    configFile: join(directory, 'config.json'),
    devicesFile: join(directory, 'devices.json'),
    foldersFile: join(directory, 'folders.json'),
    logFile: join(directory, 'daemon.log'),
    lockFile: join(directory, 'daemon.lock'),
    pidFile: join(directory, 'daemon.pid'),
    socketPath: socketPathOf(directory, environment, platform),
    indexDirectory: join(directory, 'index'),
  };
}

/** Makes the home when it is missing, for its owner only. Throws {@link ConfigError} `home-not-writable`. */
export function prepareHome({ directory, indexDirectory }: Home): void {
  try {
    mkdirSync(directory, { recursive: true, mode: OWNER_ONLY });
    mkdirSync(indexDirectory, { recursive: true, mode: OWNER_ONLY });
    accessSync(directory, constants.W_OK | constants.X_OK);
    if (process.platform !== 'win32' && (statSync(directory).mode & GROUP_AND_OTHERS) !== 0) {
      chmodSync(directory, OWNER_ONLY);
    }
  } catch (cause) {
    throw new ConfigError('home-not-writable', `${directory} cannot be written (${systemCode(cause)}).`, {
      hint: 'Make it writable for this user, or set LANDROPIC_HOME to another directory.',
      cause,
    });
  }
}

const PLAIN_ID = /^[a-z0-9_-][a-z0-9._-]*$/;
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)$/;

/** The index of a folder. IDs that differ in case alone get files of their own on every disk. */
export function indexFileOf({ indexDirectory }: Home, folder: string): string {
  const stem = folder.split('.', 1)[0] ?? '';
  const isPlain = PLAIN_ID.test(folder) && !WINDOWS_DEVICE.test(stem);
  const name = isPlain ? folder : `${stem.toLowerCase()}~${shortHash(folder)}`;
  return join(indexDirectory, `${name}.sqlite`);
}

function dataDirectory(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  const user = environment.HOME || homedir();
  switch (platform) {
    case 'darwin':
      return join(user, 'Library', 'Application Support', 'landropic');
    case 'win32':
      return join(environment.LOCALAPPDATA || join(user, 'AppData', 'Local'), 'landropic');
    default:
      return join(environment.XDG_DATA_HOME || join(user, '.local', 'share'), 'landropic');
  }
}

function socketPathOf(directory: string, environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  if (platform === 'win32') return `\\\\.\\pipe\\landropic-${shortHash(directory)}`;
  const wanted = join(directory, 'daemon.sock');
  const limit = platform === 'darwin' ? SOCKET_PATH_BYTES.darwin : SOCKET_PATH_BYTES.other;
  if (Buffer.byteLength(wanted) <= limit) return wanted;
  // A directory of its own, so that it can be kept private wherever it stands.
  return join(environment.XDG_RUNTIME_DIR || tmpdir(), `landropic-${shortHash(directory)}`, 'daemon.sock');
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function systemCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? String(error);
}
