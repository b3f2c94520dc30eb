import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';

export type LocalApiListenErrorCode =
  /** A daemon answers on that socket. */
  | 'already-running'
  /** The directory of the socket cannot be made, or belongs to somebody else. */
  | 'directory-not-private'
  | 'listen-failed';

/** The local API could not be opened: `code` says why, `cause` has the system's error. */
export class LocalApiListenError extends Error {
  override readonly name = 'LocalApiListenError';
  constructor(
    readonly code: LocalApiListenErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

const PROBE_TIMEOUT_MS = 2_000;

/**
 * Listens on a Unix socket that only this user can reach (or on a named pipe). A socket file that a killed daemon left
 * is replaced; one that answers is not. Two daemons that start at once are kept apart by the lock on their home, not here.
 */
export async function listenPrivately(server: Server, socketPath: string): Promise<void> {
  if (isNamedPipe(socketPath)) return await listen(server, socketPath);
  preparePrivateDirectory(dirname(socketPath));
  try {
    await listen(server, socketPath);
  } catch (error) {
    if (!(error instanceof LocalApiListenError && systemCode(error.cause) === 'EADDRINUSE')) throw error;
    if (await answers(socketPath)) {
      throw new LocalApiListenError('already-running', `A daemon already answers on ${socketPath}.`);
    }
    unlinkSync(socketPath);
    await listen(server, socketPath);
  }
  chmodSync(socketPath, 0o600);
}

function isNamedPipe(path: string): boolean {
  return path.startsWith('\\\\.\\pipe\\') || path.startsWith('\\\\?\\pipe\\');
}

function preparePrivateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const stat = lstatSync(directory);
    const uid = process.getuid?.();
    if (!stat.isDirectory() || (uid !== undefined && stat.uid !== uid)) {
      throw new LocalApiListenError('directory-not-private', `${directory} does not belong to this user.`);
    }
    // Between listen and chmod of the socket, the directory alone keeps others out.
    if ((stat.mode & 0o077) !== 0) chmodSync(directory, 0o700);
  } catch (cause) {
    if (cause instanceof LocalApiListenError) throw cause;
    throw new LocalApiListenError('directory-not-private', `Cannot make ${directory} private.`, { cause });
  }
}

function listen(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => {
      const code =
        systemCode(cause) === 'EADDRINUSE' && isNamedPipe(socketPath) ? 'already-running' : 'listen-failed';
      reject(new LocalApiListenError(code, `Cannot listen on ${socketPath}.`, { cause }));
    };
    server.once('error', onError);
    server.listen(socketPath, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

/** Whether somebody accepts connections there. Silence counts as yes: nothing is taken from a daemon that is only slow. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const finish = (alive: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    const timer = setTimeout(() => finish(true), PROBE_TIMEOUT_MS);
    socket.once('connect', () => finish(true));
    socket.once('error', (error) =>
      finish(systemCode(error) !== 'ECONNREFUSED' && systemCode(error) !== 'ENOENT'),
    );
  });
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
