import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';

/** A network of its own with only a loopback interface that multicasts, so that no real network hears the test. */
export interface NetworkNamespace {
  /** Put before a command line, runs it inside. */
  readonly prefix: readonly string[];
}

let made = 0;

/** Gone with the test; undefined where this user cannot make one. */
export function makeNetworkNamespace(): NetworkNamespace | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const name = `landropic-test-${process.pid}-${made++}`;
  const run = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' });
  try {
    run('netns', 'add', name);
  } catch {
    // No iproute2, or a container that may not make namespaces.
    return undefined;
  }
  onTestFinished(() => run('netns', 'delete', name));
  run('-n', name, 'link', 'set', 'lo', 'up', 'multicast', 'on');
  run('-n', name, 'route', 'add', '224.0.0.0/4', 'dev', 'lo');
  return { prefix: ['ip', 'netns', 'exec', name] };
}
