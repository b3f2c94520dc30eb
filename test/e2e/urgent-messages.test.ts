import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeSlowLink } from '../support/slow-link.js';

const script = fileURLToPath(new URL('../support/urgent-messages.mjs', import.meta.url));

interface Reading {
  readonly ms: number;
  readonly receivedBytes: number;
}

/** The first line that the process prints. Rejects when it ends without one. */
function firstLine(prefix: readonly string[], ...args: string[]): Promise<string> {
  const [command = process.execPath, ...rest] = [...prefix, process.execPath, script, ...args];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      const end = output.indexOf('\n');
      if (end >= 0) resolve(output.slice(0, end));
    });
    child.once('close', (code) => reject(new Error(`ended with ${code} before it said anything`)));
  });
}

describe('urgent messages', () => {
  it('pass 64 MB of background data on a 100 Mbit/s link in under 20 ms', async (context) => {
    const link = makeSlowLink({ megabitsPerSecond: 100, bufferMs: 10 });
    if (link === undefined) {
      context.skip('needs root and network namespaces');
      return;
    }
    const listening = await firstLine(link.far, 'listen', link.farHost);
    const port = listening.replace('listening: ', '');
    const report = JSON.parse(await firstLine(link.near, 'dial', link.farHost, port)) as {
      readonly readings: readonly Reading[];
      readonly bulkBytes: number;
    };
    const { readings, bulkBytes } = report;
    const last = readings.at(-1)?.receivedBytes ?? 0;
    // The data was on its way all the time: it had begun to come, and most of it was still to come.
    expect(last).toBeGreaterThan(4 * 1024 * 1024);
    expect(last).toBeLessThan(bulkBytes);
    const tookMs = readings.map(({ ms }) => ms).sort((a, b) => a - b);
    // The one in the middle: some meet a pause of a machine that does other things as well.
    expect(tookMs[tookMs.length / 2]).toBeLessThan(20);
  });
});
