import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readTree } from '../support/tree.js';

const script = fileURLToPath(new URL('../../scripts/demo.mjs', import.meta.url));

test('the demo ends with identical trees', { timeout: 180_000 }, async () => {
  const child = spawn(process.execPath, [script, '--exit'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      output += String(bytes);
    });
  }
  const [exitCode] = await once(child, 'close');
  expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
  expect(output).toMatch(/identical: \d+ entries/);
  expect(output.match(/\d+ ms/g)?.length).toBeGreaterThanOrEqual(6);
});

test('the demo goes on until Ctrl-C, and leaves nothing behind', { timeout: 180_000 }, async () => {
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const folders: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const folder = /^ {2}(?:laptop|desktop) +(\/\S+)$/.exec(line)?.[1];
    if (folder !== undefined) folders.push(folder);
    if (line.startsWith('Ctrl-C')) child.kill('SIGINT');
  }
  if (child.exitCode === null) await once(child, 'exit');
  expect(child.exitCode).toBe(0);
  expect(folders).toHaveLength(2);
  for (const folder of folders) expect(() => readTree(folder)).toThrow('ENOENT');
});
