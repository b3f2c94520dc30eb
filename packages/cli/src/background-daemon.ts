import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure, toFailure } from './failure.js';

/** The daemon in the background tells the process that started it, over Node's IPC channel, how that went. */
type Announcement =
  | { readonly kind: 'ready'; readonly info: ReadyInfo }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly hint?: string };

export interface ReadyInfo {
  readonly deviceId: string;
  readonly listen: string;
  readonly pid: number;
}

export interface BackgroundOptions {
  readonly listen?: string;
  readonly discovery: boolean;
  readonly logFile: string;
  readonly signal: AbortSignal;
}

/** Long enough to check a large index; a daemon that fails says so at once. */
const START_TIMEOUT_MS = 60_000;

/** Whether this process was started by {@link startInBackground}. */
export function isBackground(): boolean {
  return process.send !== undefined;
}

export async function announceReady(info: ReadyInfo): Promise<void> {
  await announce({ kind: 'ready', info });
}

export async function announceFailure(error: unknown): Promise<void> {
  const { code, message, hint } = toFailure(error);
  await announce({ kind: 'failed', code, message, ...(hint === undefined ? {} : { hint }) });
}

async function announce(announcement: Announcement): Promise<void> {
  if (process.send === undefined || !process.connected) return;
  await new Promise((resolve) => process.send?.(announcement, resolve));
  // The channel is only for this one message, and would keep a stopped daemon alive.
  if (process.connected) process.disconnect();
}

/** Starts `daemon run` on its own, with its output in the log, and resolves once it is ready. */
export async function startInBackground(options: BackgroundOptions): Promise<ReadyInfo> {
  const log = openLog(options.logFile);
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('../bin/landropic.js', import.meta.url)), ...daemonArguments(options)],
    {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      windowsHide: true,
    },
  );
  closeSync(log);
  try {
    return await readAnnouncement(child, options);
  } catch (error) {
    child.kill();
    throw error;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/** The channel closes after the last message, also when the daemon dies without one. */
async function readAnnouncement(
  child: ChildProcess,
  { logFile, signal }: BackgroundOptions,
): Promise<ReadyInfo> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_TIMEOUT_MS)]);
  const announcement = await new Promise<Announcement | undefined>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Announcement));
    child.once('disconnect', () => resolve(undefined));
    child.once('error', reject);
    deadline.addEventListener('abort', () => (signal.aborted ? reject(signal.reason) : resolve(undefined)));
  });
  if (announcement?.kind === 'ready') return announcement.info;
  if (announcement !== undefined)
    throw new Failure(announcement.code, announcement.message, announcement.hint);
  throw new Failure('start-failed', 'The daemon did not become ready.', `Its log says why: ${logFile}`);
}

function daemonArguments({ listen, discovery }: BackgroundOptions): string[] {
  return [
    'daemon',
    'run',
    ...(listen === undefined ? [] : ['--listen', listen]),
    ...(discovery ? [] : ['--no-discovery']),
  ];
}

function openLog(logFile: string): number {
  try {
    mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
    return openSync(logFile, 'a', 0o600);
  } catch (cause) {
    throw new Failure(
      'home-not-writable',
      `${logFile} cannot be written.`,
      'Make its directory writable, or set LANDROPIC_HOME to another one.',
      { cause },
    );
  }
}
