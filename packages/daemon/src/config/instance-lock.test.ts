import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InstanceLock, readRunningPid } from './instance-lock.js';

describe('the lock on a home', () => {
  let directory: string;
  const files = () => ({ lockFile: join(directory, 'daemon.lock'), pidFile: join(directory, 'daemon.pid') });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'landropic-lock-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('lets one in at a time and names the process that is there', () => {
    const lock = InstanceLock.acquire(files());
    expect(() => InstanceLock.acquire(files())).toThrow(
      expect.objectContaining({
        code: 'already-running',
        message: expect.stringContaining(`process ${process.pid}`),
      }),
    );
    expect(readRunningPid(files().pidFile)).toBe(process.pid);
    lock.release();
    lock.release();
    expect(existsSync(files().pidFile)).toBe(false);
    InstanceLock.acquire(files()).release();
  });

  it('is free again when its holder was killed, whatever the holder left behind', async () => {
    // Another process with the same kind of lock, as the compiled daemon would hold it.
    const script = `
      const Database = require(${JSON.stringify(createRequire(import.meta.url).resolve('better-sqlite3'))});
      const database = new Database(process.argv[1], { timeout: 0 });
      database.exec('BEGIN EXCLUSIVE');
      process.stdout.write('held');
      setInterval(() => database, 1000);
    `;
    const child = spawn(process.execPath, ['-e', script, files().lockFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      writeFileSync(files().pidFile, `${child.pid}\n`);
      expect(() => InstanceLock.acquire(files())).toThrow(
        expect.objectContaining({ message: expect.stringContaining(`process ${child.pid}`) }),
      );
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(readRunningPid(files().pidFile)).toBeUndefined();
    InstanceLock.acquire(files()).release();
  });

  it('says so when the home cannot be written', () => {
    const lockFile = join(directory, 'missing', 'daemon.lock');
    expect(() => InstanceLock.acquire({ ...files(), lockFile })).toThrow(
      expect.objectContaining({ code: 'home-not-writable' }),
    );
  });
});
