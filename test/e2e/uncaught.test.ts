import { expect, test } from 'vitest';
import { runCli } from '../support/run-cli.js';
import { testDirectory } from '../support/test-directory.js';

/** Loaded into the daemon's process: once that has said it is ready, an error that no part of it can catch. */
const failing = (code: string) => {
  const planted = `
    const { stdout } = process;
    const write = stdout.write.bind(stdout);
    stdout.write = (...args) => {
      setTimeout(() => { ${code} }, 50);
      return write(...args);
    };`;
  return `--import=data:text/javascript,${encodeURIComponent(planted)}`;
};

test.each([
  ['a rejection', "Promise.reject(new Error('planted'))"],
  ['an exception', "throw new Error('planted')"],
])(
  '%s that nobody handles stops the daemon cleanly, with exit code 1 and a word about it',
  async (_what, code) => {
    const home = testDirectory();
    const env = { NODE_OPTIONS: failing(code) };
    const result = await runCli(['daemon', 'run', '--listen', '127.0.0.1:0', '--no-discovery'], {
      home,
      env,
    });
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toMatch(/error of its own: planted/);
    expect(result.stderr).toContain('"stopped"');
    // A stop that was clean leaves neither a lock nor a socket behind.
    const again = await runCli(['daemon', 'status'], { home });
    expect(again.exitCode).toBe(3);
  },
);
