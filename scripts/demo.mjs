// Two devices on this machine, as separate processes that know nothing of each other but what the real pairing tells
// them, keeping two folders the same. `--exit`: ends by itself, with 0 once the trees are identical.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  unlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const landropic = join(
  dirname(fileURLToPath(import.meta.url)),
  '..',
  'packages',
  'cli',
  'bin',
  'landropic.js',
);
const exitWhenDone = process.argv.includes('--exit');
const ARRIVAL_TIMEOUT_MS = 30_000;
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;
const POLL_INTERVAL_MS = 1;
const OWN_STATE = '.landropic';

const directory = mkdtempSync(join(tmpdir(), 'landropic-demo-'));
const interrupted = new AbortController();

class Device {
  constructor(name, port) {
    this.name = name;
    this.port = port;
    this.home = join(directory, `${name}-home`);
    this.folder = join(directory, name);
    this.logFile = join(directory, `${name}.log`);
    mkdirSync(this.folder);
  }

  path(...names) {
    return join(this.folder, ...names);
  }

  /** Runs a command of the CLI as this device; resolves with its stdout. */
  async cli(args, input = '') {
    const child = this.#spawn(args, ['pipe', 'pipe', 'pipe']);
    const output = ['', ''];
    [child.stdout, child.stderr].forEach((stream, index) => {
      stream.setEncoding('utf8').on('data', (text) => {
        output[index] += text;
      });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const [exitCode] = await once(child, 'close');
    if (exitCode !== 0) throw new Error(`landropic ${args.join(' ')} on ${this.name}: ${output[1].trim()}`);
    return output[0].trim();
  }

  async start() {
    const args = ['daemon', 'run', '--listen', `127.0.0.1:${this.port}`, '--no-discovery', '--json'];
    const child = this.#spawn(args, ['ignore', 'pipe', 'pipe']);
    this.process = child;
    const log = createWriteStream(this.logFile, { flags: 'a' });
    child.stderr.pipe(log);
    let timer;
    await new Promise((resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`The daemon of ${this.name} is not ready. Log: ${this.logFile}`)),
        READY_TIMEOUT_MS,
      );
      child.once('exit', () => reject(new Error(`The daemon of ${this.name} ended. Log: ${this.logFile}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        log.write(`${line}\n`);
        if (line.startsWith('{"event":"ready"')) resolve();
      });
    }).finally(() => clearTimeout(timer));
  }

  async stop() {
    const child = this.process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  #spawn(args, stdio) {
    return spawn(process.execPath, [landropic, ...args], {
      stdio,
      env: { ...process.env, LANDROPIC_HOME: this.home },
      // Ctrl-C reaches this script alone, which then stops the daemons in order.
      detached: process.platform !== 'win32',
    });
  }
}

async function freePort() {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** Resolves with the milliseconds until `seen` is true. */
async function arrival(seen, what, timeoutMs = ARRIVAL_TIMEOUT_MS) {
  const startedAt = performance.now();
  for (;;) {
    if (seen()) return performance.now() - startedAt;
    if (performance.now() - startedAt > timeoutMs) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await delay(POLL_INTERVAL_MS, undefined, { signal: interrupted.signal });
  }
}

async function shown(device, what, change, seen) {
  change();
  const tookMs = await arrival(seen, what);
  console.log(`  ${device.name.padEnd(8)} ${what.padEnd(48)} ${tookMs.toFixed(0).padStart(6)} ms`);
}

/** Path → what stands there, everything but times. */
function readTree(root, prefix = '', tree = new Map()) {
  for (const entry of readdirSync(join(root, prefix), { withFileTypes: true })) {
    const path = join(prefix, entry.name);
    if (path === OWN_STATE) continue;
    if (entry.isDirectory()) {
      tree.set(path, 'directory');
      readTree(root, path, tree);
    } else if (entry.isSymbolicLink()) {
      tree.set(path, `link to ${readlinkSync(join(root, path))}`);
    } else {
      const hash = createHash('sha256')
        .update(readFileSync(join(root, path)))
        .digest('hex');
      tree.set(path, `${(lstatSync(join(root, path)).mode & 0o100) !== 0} ${hash}`);
    }
  }
  return tree;
}

function sameTrees(a, b) {
  try {
    const [left, right] = [readTree(a), readTree(b)];
    return left.size === right.size && [...left].every(([path, what]) => right.get(path) === what);
  } catch {
    // Something went away between listing and reading it: not the same yet.
    return false;
  }
}

function hasText(path, text) {
  return existsSync(path) && readFileSync(path, 'utf8') === text;
}

function hasSize(path, size) {
  return existsSync(path) && lstatSync(path).size === size;
}

async function setUp(laptop, desktop) {
  for (const device of [laptop, desktop]) {
    await device.cli(['init', '--name', device.name]);
    await device.start();
  }
  console.log('Two daemons are running, with a key and an index each.');
  const ticket = (await laptop.cli(['pair', 'invite'])).split('\n').at(-1);
  const paired = JSON.parse(await desktop.cli(['pair', 'accept', '--json'], `${ticket}\n`));
  console.log(`desktop redeemed a ticket of ${paired.name}: both are paired, over mutual TLS.`);
  await laptop.cli(['folder', 'add', laptop.folder, '--id', 'demo', '--share', 'desktop']);
  for (let offered = false; !offered; ) {
    const { offers } = JSON.parse(await desktop.cli(['folder', 'offers', '--json']));
    offered = offers.some((offer) => offer.id === 'demo');
  }
  await desktop.cli(['folder', 'accept', 'demo', desktop.folder, '--yes']);
  console.log(`\nOne folder on both:\n  laptop   ${laptop.folder}\n  desktop  ${desktop.folder}\n`);
}

async function makeChanges(laptop, desktop) {
  console.log('Changes, and how long until the other side has them:');
  const text = 'hello from the laptop\n';
  await shown(
    laptop,
    'creates hello.txt',
    () => writeFileSync(laptop.path('hello.txt'), text),
    () => hasText(desktop.path('hello.txt'), text),
  );
  await shown(
    desktop,
    'edits hello.txt',
    () => writeFileSync(desktop.path('hello.txt'), `${text}hello from the desktop\n`),
    () => hasText(laptop.path('hello.txt'), `${text}hello from the desktop\n`),
  );
  await shown(
    desktop,
    'makes a directory with 100 files',
    () => {
      mkdirSync(desktop.path('notes'));
      for (let i = 0; i < 100; i++) writeFileSync(desktop.path('notes', `note-${i}.txt`), `note ${i}\n`);
    },
    () => sameTrees(laptop.folder, desktop.folder),
  );
  const movie = randomBytes(50_000_000);
  await shown(
    laptop,
    'creates movie.bin, 50 MB',
    () => writeFileSync(laptop.path('movie.bin'), movie),
    () => hasSize(desktop.path('movie.bin'), movie.length),
  );
  await shown(
    laptop,
    'renames movie.bin (nothing is sent again)',
    () => renameSync(laptop.path('movie.bin'), laptop.path('holiday.bin')),
    () => hasSize(desktop.path('holiday.bin'), movie.length) && !existsSync(desktop.path('movie.bin')),
  );
  await shown(
    desktop,
    'deletes notes/note-0.txt',
    () => unlinkSync(desktop.path('notes', 'note-0.txt')),
    () => !existsSync(laptop.path('notes', 'note-0.txt')),
  );
}

/** Both edit one file while the desktop is off: both versions are kept, under the same names on both. */
async function makeConflict(laptop, desktop) {
  await desktop.stop();
  writeFileSync(laptop.path('hello.txt'), 'edited on the laptop\n');
  writeFileSync(desktop.path('hello.txt'), 'edited on the desktop while it was off\n');
  await desktop.start();
  const copies = (device) => readdirSync(device.folder).filter((name) => name.includes('.sync-conflict-'));
  const settled = () =>
    copies(laptop).length === 1 && copies(desktop).length === 1 && sameTrees(laptop.folder, desktop.folder);
  const tookMs = await arrival(settled, 'the conflict copy is on both sides');
  console.log(
    `  both     edit hello.txt while apart: both versions kept ${tookMs.toFixed(0).padStart(9)} ms`,
  );
  console.log(`           as ${copies(laptop)[0]}`);
}

async function compare(laptop, desktop) {
  for (const device of [laptop, desktop]) await device.cli(['wait', '--folder', 'demo', '--timeout', '60s']);
  if (!sameTrees(laptop.folder, desktop.folder)) throw new Error('The trees are not identical.');
  console.log(`\nThe trees are identical: ${readTree(laptop.folder).size} entries on both sides.`);
}

async function followChanges(devices) {
  const here = devices[0];
  console.log(`\nBoth folders stay in sync. Change something in either, for example:
  date > ${here.path('now.txt')}
Ctrl-C stops both devices and removes the folders.`);
  for (const { name, folder } of devices) {
    watch(folder, { recursive: true, signal: interrupted.signal }, (_event, path) => {
      if (path !== null && !path.startsWith(OWN_STATE)) console.log(`  ${name.padEnd(8)} ${path}`);
    }).on('error', () => {});
  }
  await once(interrupted.signal, 'abort');
}

async function main() {
  const laptop = new Device('laptop', await freePort());
  const desktop = new Device('desktop', await freePort());
  const devices = [laptop, desktop];
  let exitCode = 0;
  try {
    await setUp(laptop, desktop);
    await makeChanges(laptop, desktop);
    await makeConflict(laptop, desktop);
    await compare(laptop, desktop);
    if (!exitWhenDone) await followChanges(devices);
  } catch (error) {
    if (!interrupted.signal.aborted) {
      console.error(`demo: ${error.message}`);
      exitCode = 1;
    }
  }
  if (interrupted.signal.aborted) console.log('\nStopping both devices…');
  await Promise.all(devices.map((device) => device.stop()));
  // After a failure the logs stay, to be read.
  if (exitCode === 0) rmSync(directory, { recursive: true, force: true });
  else console.error(`demo: folders and logs are in ${directory}`);
  process.exit(exitCode);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => interrupted.abort());
await main();
