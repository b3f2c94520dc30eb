import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';

/** Two networks with nothing but a cable between them. */
export interface SlowLink {
  /** Put before a command line, runs it at that end. */
  readonly near: readonly string[];
  readonly far: readonly string[];
  readonly nearHost: string;
  readonly farHost: string;
}

export interface SlowLinkOptions {
  readonly megabitsPerSecond: number;
  /** What does not go out within that time waits no longer: it is dropped. */
  readonly bufferMs: number;
}

let made = 0;

/** Gone with the test; undefined where this user cannot make one. */
export function makeSlowLink({ megabitsPerSecond, bufferMs }: SlowLinkOptions): SlowLink | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const name = `landropic-link-${process.pid}-${made++}`;
  const ends = [
    { namespace: `${name}-a`, device: 'near0', host: '10.66.0.1' },
    { namespace: `${name}-b`, device: 'far0', host: '10.66.0.2' },
  ] as const;
  const run = (command: string, ...args: string[]): void =>
    void execFileSync(command, args, { stdio: 'pipe' });
  const inside = (namespace: string): string[] => ['ip', 'netns', 'exec', namespace];
  try {
    for (const { namespace } of ends) {
      run('ip', 'netns', 'add', namespace);
      onTestFinished(() => run('ip', 'netns', 'delete', namespace));
    }
    const [near, far] = ends;
    run('ip', '-n', near.namespace, 'link', 'add', near.device, 'type', 'veth', 'peer', far.device);
    run('ip', '-n', near.namespace, 'link', 'set', far.device, 'netns', far.namespace);
    for (const { namespace, device, host } of ends) {
      run('ip', '-n', namespace, 'address', 'add', `${host}/24`, 'dev', device);
      run('ip', '-n', namespace, 'link', 'set', device, 'up');
      const shape = ['tbf', 'rate', `${megabitsPerSecond}mbit`, 'burst', '16kb', 'latency', `${bufferMs}ms`];
      run('ip', 'netns', 'exec', namespace, 'tc', 'qdisc', 'add', 'dev', device, 'root', ...shape);
    }
    return {
      near: inside(near.namespace),
      far: inside(far.namespace),
      nearHost: near.host,
      farHost: far.host,
    };
  } catch {
    // No iproute2, no tbf in the kernel, or a container that may not make namespaces.
    return undefined;
  }
}
