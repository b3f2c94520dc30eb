// Installs the pinned dependencies and builds every package; does neither when nothing changed since the last time.
// Plain JavaScript on purpose: it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const quiet = process.argv.includes('--quiet');
const stampFile = join(root, 'node_modules', '.setup-stamp');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`landropic needs Node.js 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}

function run(command, args, env = process.env) {
  // npx is a .cmd file on Windows, which only a shell starts; every argument here is a constant.
  const result = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (result.status === 0) return;
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  console.error(
    `setup: '${command} ${args.join(' ')}' failed${result.error ? `: ${result.error.message}` : ''}.`,
  );
  process.exit(1);
}

/** What decides whether an installation is still the right one: the lockfile, the manifests, and the Node ABI. */
function wantedStamp() {
  const hash = createHash('sha256').update(`${process.version} ${process.platform} ${process.arch}`);
  const manifests = ['crypto', 'quic', 'daemon', 'cli'].map((name) => `packages/${name}/package.json`);
  const native = ['native/udp_io.c', 'binding.gyp'].map((file) => `packages/quic/${file}`);
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests, ...native]) {
    if (existsSync(join(root, file))) hash.update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

/**
 * Where the headers of this very Node lie, for what compiles from source: beside it, or where npm was told. Headers of
 * another Node would make a module that this one refuses to load.
 */
function headersDirectory() {
  const prefix = dirname(dirname(process.execPath));
  return [prefix, process.env.npm_config_nodedir].find((directory) => {
    if (!directory) return false;
    const file = join(directory, 'include', 'node', 'node_version.h');
    if (!existsSync(file)) return false;
    return readFileSync(file, 'utf8').includes(`#define NODE_MODULE_VERSION ${process.versions.modules}\n`);
  });
}

/** Whether the one module that is compiled loads in this Node. */
function sqliteLoads() {
  const script = "new (require('better-sqlite3'))(':memory:')";
  return spawnSync(process.execPath, ['-e', script], { cwd: join(root, 'packages', 'daemon') }).status === 0;
}

function install() {
  const stamp = wantedStamp();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  if (quiet) console.log('Installing dependencies (the first time takes a minute or two)…');
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // Without headers at hand, node-gyp fetches them.
  const env = { ...process.env };
  delete env.npm_config_nodedir;
  const headers = headersDirectory();
  if (headers !== undefined) env.npm_config_nodedir = headers;
  const pnpm = (...args) => run('npx', ['--yes', packageManager, ...args], env);
  pnpm('install', '--frozen-lockfile');
  // Installed before, for another Node.
  if (!sqliteLoads()) pnpm('--recursive', 'rebuild', 'better-sqlite3');
  if (!sqliteLoads()) {
    console.error('setup: better-sqlite3 does not load. It compiles from source with python3, make and g++.');
    process.exit(1);
  }
  writeFileSync(stampFile, stamp);
}

install();
if (quiet) console.log('Building…');
run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']);
