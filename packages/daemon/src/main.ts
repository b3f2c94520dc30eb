import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  type DeviceIdentity,
  loadDeviceIdentity,
  loadOrCreateDeviceIdentity,
  parseDeviceId,
} from '@landropic/crypto';
import { type SocketAddress, TransportError } from '@landropic/quic';
import { watchForUncaught } from './assembly/last-resort.js';
import { formatAddress } from './assembly/own-addresses.js';
import { systemClock } from './assembly/system-clock.js';
import { type Home, locateHome, prepareHome } from './config/home.js';
import { InstanceLock } from './config/instance-lock.js';
import { parseListenAddress } from './config/setting-definitions.js';
import { Settings } from './config/settings.js';
import { SharedFolders } from './config/shared-folders.js';
import type { DeviceKey } from './core/model/identifiers.js';
import { Daemon } from './daemon.js';
import { DaemonError } from './daemon-error.js';
import { NoDiscovery } from './discovery/discovery.js';
import { MdnsDiscovery } from './discovery/mdns-discovery.js';
import { createLogger, type Log } from './observability/logger.js';
import { PairedDevices } from './trust/paired-devices.js';

/** Folders finish what they are writing; the command line waits for half a minute. */
const STOP_MS = 20_000;

export interface RunDaemonOptions {
  /** Default: `LANDROPIC_HOME`, else the platform's data directory. */
  readonly home?: string;
  /** `HOST:PORT`; default the setting `listen`. */
  readonly listen?: string;
  /** False: neither announce nor look for devices. Default the setting `discovery`. */
  readonly discovery?: boolean;
  /** Logs to stderr as well as to the file. */
  readonly foreground: boolean;
  /** Stops the daemon cleanly. */
  readonly signal: AbortSignal;
  readonly onReady?: (info: {
    readonly deviceId: string;
    readonly listen: string;
    readonly pid: number;
  }) => void;
}

/**
 * Runs the daemon until `signal`, or until it is asked to stop over its local API; resolves after a clean stop.
 * Throws DaemonError, ConfigError or CryptoError when it cannot start: their `code` and `hint` say why and what to do.
 */
export async function runDaemon(options: RunDaemonOptions): Promise<void> {
  const home = locateHome({ directory: options.home });
  prepareHome(home);
  const lock = InstanceLock.acquire(home);
  try {
    await runLocked(home, options);
  } finally {
    lock.release();
  }
}

async function runLocked(home: Home, options: RunDaemonOptions): Promise<void> {
  const settings = new Settings(home.configFile);
  const identity = loadIdentity(home);
  const devices = new PairedDevices(home.devicesFile, { parseDeviceId: parseKey });
  const sharedFolders = new SharedFolders(home.foldersFile);
  const logger = createLogger({
    file: home.logFile,
    level: settings.value('log.level'),
    ...(options.foreground ? { stream: process.stderr } : {}),
  });
  const { log } = logger;
  settings.onChange(() => logger.setLevel(settings.value('log.level')));
  const withDiscovery = (options.discovery ?? true) && settings.value('discovery');
  const discovery = withDiscovery
    ? new MdnsDiscovery({ clock: systemClock, randomBytes, log, parseDeviceId: parseKey })
    : new NoDiscovery();
  const stopping = new AbortController();
  const requestStop = () => stopping.abort();
  let uncaught: { readonly error: unknown } | undefined;
  const endWatch = watchForUncaught((error) => {
    log.error({ err: error }, 'nothing caught this: the daemon stops');
    uncaught ??= { error };
    stopping.abort();
  });
  const address = listenAddress(options, settings);
  const daemon = new Daemon(
    { home, identity, settings, devices, sharedFolders, discovery, log, requestStop },
    { listen: address },
  );
  try {
    const { listen } = await start(daemon, address);
    const listenText = formatAddress(listen);
    log.info({ device: identity.deviceId, listen: listenText }, 'ready');
    options.onReady?.({ deviceId: identity.deviceId, listen: listenText, pid: process.pid });
    await whenAborted(AbortSignal.any([options.signal, stopping.signal]));
    log.info({}, 'stopping');
    await stopInTime(daemon, log);
  } finally {
    endWatch();
    logger.close();
  }
  if (uncaught !== undefined) throw crashed(uncaught.error, home);
}

/** A part that hangs must not keep the process, which asks nobody to be killed. */
async function stopInTime(daemon: Daemon, log: Log): Promise<void> {
  let cancel: (() => void) | undefined;
  const tooLate = new Promise<'too late'>((resolve) => {
    cancel = systemClock.after(STOP_MS, () => resolve('too late'));
  });
  const outcome = await Promise.race([daemon.stop(), tooLate]);
  cancel?.();
  if (outcome === 'too late') log.error({ afterMs: STOP_MS }, 'not everything stopped in time');
  else log.info({}, 'stopped');
}

function crashed(error: unknown, home: Home): DaemonError {
  const text = error instanceof Error ? error.message : String(error);
  return new DaemonError(
    'crashed',
    `The daemon stopped because of an error of its own: ${text}`,
    `Its log says more: ${home.logFile}. Start it again: landropic daemon start`,
    { cause: error },
  );
}

/** A home that knows devices or folders had a key: making another one would be another device, silently. */
function loadIdentity(home: Home): DeviceIdentity {
  const wasInUse = existsSync(home.devicesFile) || existsSync(home.foldersFile);
  if (existsSync(home.keyFile) || !wasInUse) return loadOrCreateDeviceIdentity(home.keyFile);
  throw new DaemonError(
    'key-missing',
    `The device key ${home.keyFile} is missing.`,
    `Restore it from a backup. Or start as a new device: move ${home.devicesFile} and ${home.foldersFile} away and pair again.`,
  );
}

async function start(daemon: Daemon, address: SocketAddress): ReturnType<Daemon['start']> {
  try {
    return await daemon.start();
  } catch (error) {
    if (!(error instanceof TransportError) || error.code !== 'listen-failed') throw error;
    const cause = error.details.cause;
    const inUse = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
    throw new DaemonError(
      inUse ? 'port-in-use' : 'listen-failed',
      inUse ? `${formatAddress(address)} is in use by another program.` : `${error.message}.`,
      inUse
        ? "Choose another with --listen HOST:PORT or 'landropic config set listen HOST:PORT'."
        : 'Choose an address of this machine with --listen HOST:PORT.',
      { cause: error },
    );
  }
}

function listenAddress(options: RunDaemonOptions, settings: Settings): SocketAddress {
  if (options.listen === undefined) return settings.value('listen');
  const address = parseListenAddress(options.listen);
  if (address !== undefined) return address;
  throw new DaemonError(
    'usage',
    `'${options.listen}' is no address to listen on.`,
    'Write HOST:PORT with an IP address, such as 0.0.0.0:22100 or [::]:22100.',
  );
}

/** Creates what a device needs, or says that it is there. Harmless when it is. */
export async function initialiseHome(options: {
  readonly home?: string;
  readonly name?: string;
}): Promise<{ home: string; deviceId: string; name: string; created: boolean }> {
  const home = locateHome({ directory: options.home });
  prepareHome(home);
  const created = !existsSync(home.keyFile);
  const settings = new Settings(home.configFile);
  const identity = loadIdentity(home);
  // The name is kept even where it is the default: a host that is renamed later stays the same device.
  if (options.name !== undefined || created) settings.set('name', options.name ?? settings.value('name'));
  return { home: home.directory, deviceId: identity.deviceId, name: settings.value('name'), created };
}

/** This device's ID, from its key. Throws DaemonError `not-initialised`, or CryptoError. */
export function readDeviceId(directory?: string): string {
  const home = locateHome({ directory });
  if (!existsSync(home.keyFile))
    throw new DaemonError(
      'not-initialised',
      `There is no device key in ${home.directory} yet.`,
      "Make one with 'landropic init'.",
    );
  return loadDeviceIdentity(home.keyFile).deviceId;
}

/** The settings while no daemon runs. Throws ConfigError. */
export function openSettings(directory?: string): Settings {
  const home = locateHome({ directory });
  prepareHome(home);
  return new Settings(home.configFile);
}

function parseKey(text: string): DeviceKey | undefined {
  try {
    return parseDeviceId(text) as string as DeviceKey;
  } catch {
    return undefined;
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
