import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { ConfigError } from './config-error.js';

export interface InstanceLockFiles {
  readonly lockFile: string;
  readonly pidFile: string;
}

/**
 * Keeps a second daemon off the same home. The lock is one that the operating system takes back when the process ends,
 * however it ends; SQLite is what has such locks on every platform. Who holds it stands in a file of its own, and is
 * for messages only.
 */
export class InstanceLock {
  readonly #database: Database.Database;
  readonly #pidFile: string;

  private constructor(database: Database.Database, pidFile: string) {
    this.#database = database;
    this.#pidFile = pidFile;
  }

  /** Throws {@link ConfigError} `already-running` or `home-not-writable`. */
  static acquire({ lockFile, pidFile }: InstanceLockFiles): InstanceLock {
    let database: Database.Database | undefined;
    try {
      database = new Database(lockFile, { timeout: 0 });
      database.pragma('journal_mode = MEMORY');
      database.exec('BEGIN EXCLUSIVE');
      writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
      return new InstanceLock(database, pidFile);
    } catch (cause) {
      database?.close();
      const code = String((cause as { code?: unknown }).code);
      if (code === 'SQLITE_BUSY') throw alreadyRunning(pidFile, cause);
      // That is not about the home: SQLite was built for another Node.
      if (code === 'ERR_DLOPEN_FAILED') throw cause;
      throw new ConfigError('home-not-writable', `${lockFile} cannot be locked.`, {
        hint: 'Make its directory writable, or set LANDROPIC_HOME to another one on a local disk.',
        cause,
      });
    }
  }

  release(): void {
    if (!this.#database.open) return;
    rmSync(this.#pidFile, { force: true });
    this.#database.close();
  }
}

/** The process that holds the lock of this home; undefined when none does, or it cannot be told. */
export function readRunningPid(pidFile: string): number | undefined {
  const pid = readPid(pidFile);
  if (pid === undefined) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    // A process of another user is alive all the same.
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined;
  }
}

function readPid(pidFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function alreadyRunning(pidFile: string, cause: unknown): ConfigError {
  const pid = readRunningPid(pidFile);
  return new ConfigError(
    'already-running',
    `Another daemon${pid === undefined ? '' : ` (process ${pid})`} runs on this home already.`,
    { hint: "Stop it with 'landropic daemon stop', or set LANDROPIC_HOME to another directory.", cause },
  );
}
