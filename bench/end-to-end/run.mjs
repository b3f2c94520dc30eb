// Two daemons on loopback, as people run them: seconds from a change in one folder until the other has it.
// LANDROPIC_BENCH_DIR chooses the disk; default is the system's directory for temporary files.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../packages/cli/bin/landropic.js', import.meta.url));
const DEADLINE_MS = 120_000;
const BIG_MEGABYTES = 512;
const SMALL_FILES = 5_000;
const LATENCY_ROUNDS = 20;

const BENCHES = [
  { name: 'big-file', unit: 'MB/s', measure: measureBig },
  { name: 'small-files', unit: 'files/s', measure: measureSmall },
  { name: 'one-file-latency-median', unit: 'ms', measure: measureLatency },
];

/** Runs the benchmarks (all, or the one named by `only`) and gives each result to `emit`. */
export async function run(emit, { only } = {}) {
  const chosen = BENCHES.filter(({ name }) => only === undefined || only === name);
  if (chosen.length === 0) return;
  const root = mkdtempSync(join(process.env.LANDROPIC_BENCH_DIR ?? tmpdir(), 'landropic-bench-'));
  const daemons = [];
  try {
    const pair = await startPair(root, daemons);
    for (const { name, unit, measure } of chosen) {
      emit({ bench: name, value: Number((await measure(pair)).toPrecision(4)), unit });
    }
  } finally {
    await Promise.all(daemons.map(stop));
    rmSync(root, { recursive: true, force: true });
  }
}

async function startPair(root, daemons) {
  const [a, b] = ['a', 'b'].map((name) => ({
    name,
    home: join(root, name),
    folder: join(root, `folder-${name}`),
  }));
  for (const device of [a, b]) {
    mkdirSync(device.folder);
    cli(device, ['init', '--name', device.name]);
    daemons.push(await startDaemon(device));
  }
  const ticket = cli(a, ['pair', 'invite']).trim().split('\n').at(-1);
  cli(b, ['pair', 'accept'], `${ticket}\n`);
  cli(a, ['folder', 'add', a.folder, '--id', 'bench', '--share', 'b']);
  await until(() => tryCli(b, ['folder', 'accept', 'bench', b.folder, '--yes']).status === 0);
  cli(a, ['wait', '--timeout', '60s']);
  return { a, b, stage: join(root, 'stage') };
}

async function startDaemon(device) {
  const child = spawn(process.execPath, [CLI, 'daemon', 'run', '--listen', '127.0.0.1:0', '--no-discovery'], {
    env: { ...process.env, LANDROPIC_HOME: device.home },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`the daemon of ${device.name} has ended`))),
  ]);
  child.stdout.resume();
  return child;
}

async function stop(child) {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

function tryCli(device, words, input = '') {
  const env = { ...process.env, LANDROPIC_HOME: device.home };
  return spawnSync(process.execPath, [CLI, ...words], { env, input, encoding: 'utf8' });
}

function cli(device, words, input) {
  const { status, stdout, stderr } = tryCli(device, words, input);
  if (status !== 0) throw new Error(`landropic ${words.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

async function until(isDone) {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MS / 1000} s`);
    await delay(10);
  }
}

/** Milliseconds until `isDone`, from the moment that `change` begins. */
async function timed(change, isDone) {
  const started = performance.now();
  change();
  await until(isDone);
  return performance.now() - started;
}

async function measureBig({ a, b, stage }) {
  for (let i = 0; i < BIG_MEGABYTES; i++) writeFileSync(stage, randomBytes(1e6), { flag: 'a' });
  const target = join(b.folder, 'big');
  const ms = await timed(
    () => renameSync(stage, join(a.folder, 'big')),
    () => existsSync(target) && statSync(target).size === BIG_MEGABYTES * 1e6,
  );
  return (BIG_MEGABYTES * 1e3) / ms;
}

async function measureSmall({ a, b, stage }) {
  for (let i = 0; i < SMALL_FILES; i++) {
    const directory = join(stage, `d${i % 100}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${i}`), randomBytes(Math.floor(Math.random() * 8192)));
  }
  const target = join(b.folder, 'small');
  const count = () =>
    existsSync(target)
      ? readdirSync(target).reduce((sum, directory) => sum + readdirSync(join(target, directory)).length, 0)
      : 0;
  const ms = await timed(
    () => renameSync(stage, join(a.folder, 'small')),
    () => count() === SMALL_FILES,
  );
  return (SMALL_FILES * 1e3) / ms;
}

async function measureLatency({ a, b }) {
  const times = [];
  for (let i = 0; i < LATENCY_ROUNDS; i++) {
    const target = join(b.folder, `one-${i}`);
    times.push(
      await timed(
        () => writeFileSync(join(a.folder, `one-${i}`), `hello ${i}`),
        () => existsSync(target) && statSync(target).size > 0,
      ),
    );
    await delay(200);
  }
  return times.sort((x, y) => x - y)[LATENCY_ROUNDS / 2] ?? Number.NaN;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await run((result) => console.log(JSON.stringify(result)));
