import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { testDirectory } from './test-directory.js';

/** A small file system of its own, unmounted with the test; undefined where this user cannot mount. */
export function mountSmall(sizeBytes: number): string | undefined {
  return mount(`size=${sizeBytes}`);
}

export function mountReadOnly(): string | undefined {
  return mount('size=1m,ro');
}

function mount(options: string): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const path = join(testDirectory(), 'mount');
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'pipe' });
  } catch {
    // Root of a container that may not mount.
    return undefined;
  }
  // Hooks run last first: this one before the directory is removed, and daemons are ended by then.
  onTestFinished(() => void execFileSync('umount', ['--lazy', path], { stdio: 'pipe' }));
  return path;
}
