import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const built = (name: string): string =>
  fileURLToPath(new URL(`../dist/examples/${name}.js`, import.meta.url));
const started: ChildProcess[] = [];

/** A running example; `line` waits for what it prints. */
function start(name: string, ...args: string[]) {
  const child = spawn(process.execPath, [built(name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let output = '';
  let looks: (() => void)[] = [];
  const look = (): void => {
    for (const each of looks) each();
  };
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString();
    look();
  });
  let errors = '';
  child.stderr.on('data', (bytes: Buffer) => {
    errors += bytes.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    child,
    line: (pattern: RegExp): Promise<RegExpMatchArray> =>
      new Promise((resolve, reject) => {
        const search = (): void => {
          const match = output.match(pattern);
          if (match === null) return;
          looks = looks.filter((each) => each !== search);
          resolve(match);
        };
        looks.push(search);
        search();
        void ended.then((code) => reject(new Error(`${name} ended with ${code}: ${output}${errors}`)));
      }),
    /** Everything it printed, once it has ended well. */
    output: async (): Promise<string> => {
      const code = await ended;
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${output}${errors}`);
      return output;
    },
  };
}

describe('examples', () => {
  afterEach(() => {
    for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  });

  it('echo: a client gets back what it sent, from the server that it meant', async () => {
    const server = start('echo-server');
    const [, port = '', key = ''] = await server.line(/listening: (\d+) (\S+)/);
    const client = start('echo-client', port, key, 'hello', 'ünïcode');
    expect(await client.output()).toBe('echo: hello\necho: ünïcode\nthe stream ended\n');
    await server.line(/connected: [0-9a-f]{8}/);
    const stranger = start('echo-client', port, 'another key', 'hello');
    await expect(stranger.output()).rejects.toThrow('peer-rejected');
    server.child.kill('SIGTERM');
    await server.output();
  });

  it('many streams: every question is answered, more than fit at once', async () => {
    const output = await start('many-streams').output();
    expect(output).toMatch(/^2000 answers, all right, in \d+ ms$/m);
    const [, most, atTheEnd] = output.match(/^(\d+) streams open at most, (\d+) at the end$/m) ?? [];
    expect(Number(most)).toBeGreaterThan(1);
    expect(Number(most)).toBeLessThanOrEqual(1_024);
    expect(Number(atTheEnd)).toBe(0);
  });

  it('prioritised streams: urgent messages do not wait for background data', async () => {
    const output = await start('prioritised-streams').output();
    const [, percent] = output.match(/^(\d+) % of the background data had come by then$/m) ?? [];
    expect(output).toMatch(/^20 urgent round trips, [\d.]+ ms in the middle$/m);
    expect(Number(percent)).toBeLessThan(100);
  });

  it('datagrams: the newest reading arrives', async () => {
    const output = await start('datagrams').output();
    const [, used, sent] = output.match(/^(\d+) readings used of (\d+) sent/m) ?? [];
    expect(Number(used)).toBeGreaterThan(0);
    expect(Number(used)).toBeLessThanOrEqual(Number(sent));
  });

  it('requests: answers, failures, deadlines, and an end in order', async () => {
    const output = await start('requests').output();
    expect(output.split('\n').filter((line) => line !== 'server: stopped pondering')).toEqual([
      'reverse: this is the only one.',
      'client: failed: cannot divide by zero',
      'client: deadline-exceeded: no answer within 50 ms',
      expect.stringMatching(/^divide: 200 answers over \d+ streams$/),
      'both stopped, 0 streams open',
      '',
    ]);
    expect(output).toContain('server: stopped pondering');
  });
});
